package modbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/simonvetter/modbus"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor"
)

// DefaultPort is where Modbus TCP instruments listen.
const DefaultPort = "502"

// Config says where one instrument is.
type Config struct {
	Address string // host or host:port; the port is [DefaultPort] where missing
	Unit    uint8  // unit id; 1 for most instruments with an address of their own
	Timeout time.Duration
	Map     Map
}

// Driver reads one instrument over one TCP connection. It implements
// [sensor.Driver].
type Driver struct {
	registers []Register
	points    []sensor.Point
	planner   *planner
	link      link
	closed    bool
}

var _ sensor.Driver = (*Driver)(nil)

// New checks a configuration and returns its driver, which connects when it is
// first read. A Timeout of 0, for one request, means [sensor.DefaultTimeout].
func New(c Config) (*Driver, error) {
	address, err := completeAddress(c.Address)
	if err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = sensor.DefaultTimeout
	}
	if err := c.Map.Check(); err != nil {
		return nil, err
	}
	d := &Driver{registers: c.Map.Registers, planner: newPlanner(c.Map), link: link{address: address, unit: c.Unit, timeout: c.Timeout}}
	for _, r := range c.Map.Registers {
		d.points = append(d.points, r.Point)
	}
	return d, nil
}

// Check reports the first mistake in a map.
func (m Map) Check() error {
	if m.MaxBlock < 0 || m.MaxBlock > MaxBlock {
		return calms.Errorf(calms.KindInvalid, "max-block: %d is not between 1 and %d", m.MaxBlock, MaxBlock)
	}
	if m.MaxHole < 0 || m.MaxHole > MaxBlock {
		return calms.Errorf(calms.KindInvalid, "max-hole: %d is not between 0 and %d", m.MaxHole, MaxBlock)
	}
	for i, r := range m.Registers {
		if err := r.Check(); err != nil {
			return calms.Errorf(calms.KindInvalid, "points[%d] %q: %w", i, r.Point.Name, err)
		}
	}
	return nil
}

func completeAddress(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, DefaultPort
	}
	full := net.JoinHostPort(host, port)
	if _, _, again := net.SplitHostPort(full); host == "" || port == "" || again != nil {
		return "", calms.Errorf(calms.KindInvalid, "address: %q is not host or host:port", address)
	}
	return full, nil
}

// Points lists the points of the map, in its order.
func (d *Driver) Points() []sensor.Point { return d.points }

// Read fetches the points in as few requests as the map allows.
func (d *Driver) Read(ctx context.Context, points []int, into []sensor.Reading) error {
	place := make(map[int]int, len(points))
	for i, p := range points {
		place[p] = i
		into[i] = sensor.BadReading(calms.BadNotConnected)
	}
	if d.closed {
		return fmt.Errorf("%s: the driver is closed", d.link.address)
	}
	var first error
	for queue := d.planner.plan(points); len(queue) > 0; {
		b := queue[0]
		queue = queue[1:]
		words, err := d.link.read(ctx, b.function, b.address, b.count)
		if len(b.points) > 1 && (errors.Is(err, modbus.ErrIllegalDataAddress) || errors.Is(err, modbus.ErrIllegalDataValue)) {
			// One point that the instrument lacks must not take the others along.
			queue = append(d.planner.separate(b), queue...)
			continue
		}
		if err != nil && first == nil {
			first = fmt.Errorf("%s: registers %d to %d: %w", d.link.address, b.address, b.address+b.count-1, err)
		}
		for _, p := range b.points {
			into[place[p]] = d.decode(p, b, words, err)
			if first == nil && into[place[p]].Quality.IsBad() {
				first = fmt.Errorf("%s: point %s: %s", d.link.address, d.points[p].Name, into[place[p]].Quality)
			}
		}
	}
	return first
}

func (d *Driver) decode(point int, b block, words []uint16, err error) sensor.Reading {
	if err != nil {
		return sensor.BadReading(qualityOf(err))
	}
	r := d.registers[point]
	start := int(r.Address) - b.address
	return r.Decode(words[start : start+r.Type.Words()])
}

// Close ends the connection; a call left behind closes its own.
func (d *Driver) Close() error {
	d.closed = true
	d.link.close()
	return nil
}
