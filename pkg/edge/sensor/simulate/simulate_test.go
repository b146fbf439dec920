package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	library "github.com/simonvetter/modbus"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/edge/sensor/modbus"
	"go.calms.com/calms/pkg/edge/sensor/profile"
)

func TestEveryValueReadIsInTheLogOnce(t *testing.T) {
	for _, name := range profile.List() {
		t.Run(name, func(t *testing.T) { checkOracle(t, name) })
	}
}

func checkOracle(t *testing.T, name string) {
	p, err := profile.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	s, file := start(t, p)
	d, err := modbus.New(modbus.Config{Address: s.Address(), Unit: 1, Map: p.Modbus})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const reads = 300
	points, into := make([]int, len(d.Points())), make([]sensor.Reading, len(d.Points()))
	for i := range points {
		points[i] = i
	}
	var got []map[uint64]bool
	for range points {
		got = append(got, map[uint64]bool{})
	}
	for range reads {
		if err := d.Read(context.Background(), points, into); err != nil {
			t.Fatal(err)
		}
		for i, r := range into {
			if h := p.Habits[i]; r.Value < h.Low || r.Value > h.High {
				t.Fatalf("%s is %v, outside of %+v", d.Points()[i].Name, r.Value, h)
			}
			got[i][math.Float64bits(r.Value)] = true
		}
	}
	served := readLog(t, file)
	for i, point := range d.Points() {
		if len(got[i]) != reads || len(served[point.Name]) != reads {
			t.Errorf("%s: %d different values read, %d served, in %d reads", point.Name, len(got[i]), len(served[point.Name]), reads)
		}
		for bits := range got[i] {
			if served[point.Name][bits] != 1 {
				t.Errorf("%s: %v was served %d times", point.Name, math.Float64frombits(bits), served[point.Name][bits])
			}
		}
	}
}

func start(t *testing.T, p profile.Profile) (*Server, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "served.jsonl")
	s, err := Start(Options{Listen: "127.0.0.1:0", Profile: p, Unit: 1, Log: file, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, file
}

func readLog(t *testing.T, file string) map[string]map[uint64]int {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[uint64]int{}
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var l line
		if err := d.Decode(&l); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		if out[l.Point] == nil {
			out[l.Point] = map[uint64]int{}
		}
		out[l.Point][math.Float64bits(*l.Value)]++
	}
}

func TestOnlyWholePointsAreLoggedAndStrangersRefused(t *testing.T) {
	p, _ := profile.Load("suto-s430")
	s, file := start(t, p)
	c, err := library.NewClient(&library.ClientConfiguration{URL: "tcp://" + s.Address(), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ReadRegisters(5, 4, library.HOLDING_REGISTER); err != nil { // velocity's end, flow, the counter's begin
		t.Fatal(err)
	}
	if served := readLog(t, file); len(served) != 1 || len(served["flow"]) != 1 {
		t.Errorf("logged: %v", served)
	}
	if _, err := c.ReadRegisters(500, 2, library.HOLDING_REGISTER); err != library.ErrIllegalDataAddress {
		t.Errorf("an unknown address: %v", err)
	}
	if _, err := c.ReadRegisters(6, 2, library.INPUT_REGISTER); err != library.ErrIllegalDataAddress {
		t.Errorf("the wrong function: %v", err)
	}
	if err := c.WriteRegister(6, 1); err != library.ErrIllegalFunction {
		t.Errorf("a write: %v", err)
	}
	c.SetUnitId(9)
	if _, err := c.ReadRegisters(6, 2, library.HOLDING_REGISTER); err != library.ErrGWTargetFailedToRespond {
		t.Errorf("another unit: %v", err)
	}
}

func TestWalksOfAllTypes(t *testing.T) {
	for _, typ := range modbus.Types() {
		for _, counter := range []bool{false, true} {
			r := modbus.Register{Function: 3, Type: typ, Scale: 0.5, Offset: 1, Invalid: []uint64{100}}
			h := profile.Habit{Low: 10, High: 4000, Counter: counter}
			if typ.Signed() || typ == modbus.Float32 || typ == modbus.Float64 {
				h.Low = -4000
			}
			if typ == modbus.Float64 {
				r.Scale, r.Offset = 1, 0 // rounding would make neighbours equal
			}
			w := newWalk(r, h, rand.New(rand.NewPCG(1, 2)))
			seen, before := map[uint64]bool{}, math.Inf(-1)
			for n := range 5000 {
				raw := w.next(time.Duration(n) * 100 * time.Millisecond)
				got := r.Reading(raw)
				if seen[raw] || got.Quality.IsBad() || got.Value < h.Low || got.Value > h.High {
					t.Fatalf("%s, counter %v, read %d: %v (%v), seen before: %v", typ, counter, n, got.Value, got.Quality, seen[raw])
				}
				if counter && got.Value <= before {
					t.Fatalf("%s: the counter went from %v to %v", typ, before, got.Value)
				}
				seen[raw], before = true, got.Value
			}
		}
	}
}

func TestAWornOutWalkBeginsAgain(t *testing.T) {
	for _, h := range []profile.Habit{{Low: 5, High: 5}, {Low: 5, High: 7}, {Low: 0, High: 65535, Counter: true}, {Low: -1e300, High: 1e300}} {
		for _, typ := range modbus.Types() {
			w := newWalk(modbus.Register{Function: 3, Type: typ, Scale: 1}, h, rand.New(rand.NewPCG(1, 2)))
			for range 100 {
				w.next(0)
			}
		}
	}
}

func TestStartMistakes(t *testing.T) {
	p, _ := profile.Load("suto-s430")
	s, file := start(t, p)
	for name, c := range map[string]struct {
		o    Options
		kind calms.Kind
	}{
		"port in use": {Options{Listen: s.Address(), Profile: p, Log: file}, calms.KindConflict},
		"no address":  {Options{Listen: "nowhere", Profile: p, Log: file}, calms.KindInvalid},
		"no log":      {Options{Listen: "127.0.0.1:0", Profile: p, Log: t.TempDir()}, calms.KindInvalid},
		"no profile":  {Options{Listen: "127.0.0.1:0", Log: file}, calms.KindInvalid},
	} {
		if _, err := Start(c.o); err == nil || calms.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}
