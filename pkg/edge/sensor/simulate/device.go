package simulate

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/simonvetter/modbus"

	"go.calms.com/calms/pkg/calms"
	registers "go.calms.com/calms/pkg/edge/sensor/modbus"
	"go.calms.com/calms/pkg/edge/sensor/profile"
)

// device answers the library's server. Requests of several connections come at
// once; mu puts them in the order of the log.
type device struct {
	unit  uint8
	start time.Time

	mu    sync.Mutex
	walks []*walk  // mu
	words []words  // mu
	log   *os.File // mu
}

// words is the registers of the newest value of one point.
type words struct {
	register registers.Register
	values   []uint16
}

func newDevice(p profile.Profile, unit uint8, seed uint64, log *os.File) *device {
	d := &device{unit: unit, start: time.Now(), log: log}
	for i, r := range p.Modbus.Registers {
		w := newWalk(r, p.Habits[i], rand.New(rand.NewPCG(seed, uint64(i))))
		d.walks = append(d.walks, w)
		d.words = append(d.words, words{r, r.Words(fromOrdinal(r.Type, w.first))})
	}
	return d
}

// line is one entry of the log; see the package comment.
type line struct {
	Time    time.Time `json:"time"`
	Point   string    `json:"point"`
	Address uint16    `json:"address"`
	Raw     []uint16  `json:"raw"`
	Value   *float64  `json:"value"` // null where the bits mean "no value"
}

// read draws new values for the points that a request covers whole, logs them,
// and returns the registers. Registers between points are zero.
func (d *device) read(f registers.Function, unit uint8, address, count uint16) ([]uint16, error) {
	if unit != d.unit {
		return nil, modbus.ErrGWTargetFailedToRespond
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	answer := make([]uint16, count)
	now := time.Now().UTC()
	var entries []byte
	known := false
	for i := range d.words {
		w := &d.words[i]
		start := int(w.register.Address) - int(address)
		end := start + len(w.values)
		if w.register.Function != f || end <= 0 || start >= len(answer) {
			continue
		}
		known = true
		if start >= 0 && end <= len(answer) {
			entries = append(entries, d.draw(i, now)...)
		}
		for j, value := range w.values {
			if at := start + j; at >= 0 && at < len(answer) {
				answer[at] = value
			}
		}
	}
	if !known {
		return nil, modbus.ErrIllegalDataAddress
	}
	if _, err := d.log.Write(entries); err != nil {
		return nil, modbus.ErrServerDeviceFailure // never serve what is not logged
	}
	return answer, nil
}

// draw takes the next value of a point and returns its line. The caller holds mu.
func (d *device) draw(i int, now time.Time) []byte {
	raw := d.walks[i].next(now.Sub(d.start))
	w := &d.words[i]
	w.values = w.register.Words(raw)
	entry := line{Time: now, Point: w.register.Point.Name, Address: w.register.Address, Raw: w.values}
	if reading := w.register.Reading(raw); !reading.Quality.IsBad() {
		entry.Value = &reading.Value
	}
	text, err := json.Marshal(entry)
	if err != nil {
		panic(err) // numbers and strings only: cannot fail
	}
	return append(text, '\n')
}

// HandleHoldingRegisters serves function code 3 and refuses writes.
func (d *device) HandleHoldingRegisters(req *modbus.HoldingRegistersRequest) ([]uint16, error) {
	if req.IsWrite {
		return nil, modbus.ErrIllegalFunction
	}
	return d.read(registers.ReadHolding, req.UnitId, req.Addr, req.Quantity)
}

// HandleInputRegisters serves function code 4.
func (d *device) HandleInputRegisters(req *modbus.InputRegistersRequest) ([]uint16, error) {
	return d.read(registers.ReadInput, req.UnitId, req.Addr, req.Quantity)
}

// HandleCoils refuses: instruments of profiles have registers only.
func (d *device) HandleCoils(*modbus.CoilsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

// HandleDiscreteInputs refuses.
func (d *device) HandleDiscreteInputs(*modbus.DiscreteInputsRequest) ([]bool, error) {
	return nil, modbus.ErrIllegalFunction
}

func openLog(file string) (*os.File, error) {
	log, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "open log: %w", err)
	}
	return log, nil
}
