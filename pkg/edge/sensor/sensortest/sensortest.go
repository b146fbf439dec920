// Package sensortest is the conformance suite of the driver contract: what every
// implementation of [sensor.Driver] must do when its instrument answers, and
// when it fails in each way that instruments fail.
package sensortest

import (
	"context"
	"math"
	"runtime"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor"
)

// Fault is a way in which an instrument fails.
type Fault int

// The faults. A bench applies them to every request from then on.
const (
	None     Fault = iota
	Absent         // connections are refused, existing ones cut
	Silent         // requests are accepted and never answered
	Late           // answers come, but after the reader's time is over
	Refusing       // every request is answered with the protocol's error
	Garbled        // answers make no sense
	Marker         // every value is the instrument's marker for "none"
)

// Bench is an instrument that can be broken. It sends values that are different
// in every answer, so that an old answer is never mistaken for a new one.
type Bench interface {
	// Driver is a new driver of the instrument, with at least three points.
	Driver(t *testing.T) sensor.Driver
	// Served is the value of the point in the newest request that reached the
	// instrument, whether the answer arrived or not.
	Served(point int) float64
	// Break starts a fault; None heals.
	Break(Fault)
}

// ReadTimeout is what the suite gives one read; a bench's Late answers must take
// longer.
const ReadTimeout = 300 * time.Millisecond

// patience bounds every wait for a condition.
const patience = 20 * time.Second

// Run tests a driver against benches, a fresh one per case.
func Run(t *testing.T, bench func(t *testing.T) Bench) {
	for name, test := range map[string]func(*testing.T, Bench){
		"ReadsEveryPoint":         readsEveryPoint,
		"ReadsASubsetInAnyOrder":  readsSubset,
		"ReadsNothing":            readsNothing,
		"DescribesPoints":         describesPoints,
		"NeverTakesALateAnswer":   neverTakesLate,
		"ReturnsWhenTheContextIs": returnsWithContext,
		"Closes":                  closes,
		"LeavesNothingBehind":     leavesNothing,
	} {
		t.Run(name, func(t *testing.T) { test(t, bench(t)) })
	}
	for fault, want := range map[Fault]calms.Quality{
		Absent: calms.BadNotConnected, Silent: calms.BadTimeout, Refusing: calms.BadRefused,
		Garbled: calms.BadReply, Marker: calms.BadInvalidValue,
	} {
		t.Run("FailsAndHeals/"+want.String(), func(t *testing.T) { failsAndHeals(t, bench(t), fault, want) })
	}
}

func read(d sensor.Driver, points []int) ([]sensor.Reading, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ReadTimeout)
	defer cancel()
	into := make([]sensor.Reading, len(points))
	err := d.Read(ctx, points, into)
	return into, err
}

func all(d sensor.Driver) []int {
	points := make([]int, len(d.Points()))
	for i := range points {
		points[i] = i
	}
	return points
}

// mustBeGood reads until all is good, and compares with what was served.
func mustBeGood(t *testing.T, b Bench, d sensor.Driver, points []int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		readings, err := read(d, points)
		if err != nil {
			checkBad(t, readings)
			if time.Now().After(end) {
				t.Fatalf("still bad: %v %v", readings, err)
			}
			continue
		}
		for i, r := range readings {
			if want := b.Served(points[i]); !r.Quality.IsGood() || math.Float64bits(r.Value) != math.Float64bits(want) {
				t.Fatalf("point %d is %v (%v), the instrument served %v", points[i], r.Value, r.Quality, want)
			}
		}
		return
	}
}

// checkBad demands NaN where the quality is bad, and at least one bad reading
// beside an error.
func checkBad(t *testing.T, readings []sensor.Reading) {
	t.Helper()
	bad := 0
	for _, r := range readings {
		if r.Quality.IsBad() {
			bad++
			if !math.IsNaN(r.Value) {
				t.Errorf("a bad reading has the value %v", r.Value)
			}
		}
	}
	if bad == 0 {
		t.Error("an error, but no bad reading")
	}
}

func readsEveryPoint(t *testing.T, b Bench) {
	d := b.Driver(t)
	for range 5 {
		mustBeGood(t, b, d, all(d))
	}
}

func readsSubset(t *testing.T, b Bench) {
	d := b.Driver(t)
	for _, points := range [][]int{{2, 0}, {1}, {0, 2, 1}, {len(d.Points()) - 1}} {
		mustBeGood(t, b, d, points)
	}
}

func readsNothing(t *testing.T, b Bench) {
	if _, err := read(b.Driver(t), nil); err != nil {
		t.Errorf("reading no point: %v", err)
	}
}

func describesPoints(t *testing.T, b Bench) {
	points := b.Driver(t).Points()
	if len(points) < 3 {
		t.Fatalf("%d points are too few for this suite", len(points))
	}
	seen := map[string]bool{}
	for _, p := range points {
		if _, err := calms.ParsePathAt(p.Name, calms.LevelOrganisation); err != nil || seen[p.Name] {
			t.Errorf("%q is no name of a point, or not the only one", p.Name)
		}
		seen[p.Name] = true
	}
}

func failsAndHeals(t *testing.T, b Bench, fault Fault, want calms.Quality) {
	for _, before := range []string{"connected", "never connected"} {
		d := b.Driver(t)
		if before == "connected" {
			mustBeGood(t, b, d, all(d))
		}
		b.Break(fault)
		for range 3 {
			start := time.Now()
			readings, err := read(d, all(d))
			if took := time.Since(start); took > 10*ReadTimeout {
				t.Errorf("%s: a read took %v", before, took)
			}
			if err == nil {
				t.Errorf("%s: no error explains the bad readings", before)
			}
			checkBad(t, readings)
			for i, r := range readings {
				if r.Quality != want {
					t.Errorf("%s: point %d is %v, want %v (%v)", before, i, r.Quality, want, err)
				}
			}
		}
		b.Break(None)
		mustBeGood(t, b, d, all(d))
	}
}

func neverTakesLate(t *testing.T, b Bench) {
	d := b.Driver(t)
	mustBeGood(t, b, d, all(d))
	for range 3 {
		b.Break(Late)
		if readings, err := read(d, all(d)); err == nil {
			t.Fatalf("a late answer was taken: %v", readings)
		}
		b.Break(None)
		mustBeGood(t, b, d, all(d))
	}
}

func returnsWithContext(t *testing.T, b Bench) {
	d := b.Driver(t)
	mustBeGood(t, b, d, all(d))
	b.Break(Silent)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	start := time.Now()
	into := make([]sensor.Reading, len(d.Points()))
	if err := d.Read(ctx, all(d), into); err == nil {
		t.Error("a cancelled read has no error")
	}
	checkBad(t, into)
	if err := d.Read(ctx, all(d), into); err == nil {
		t.Error("a read cancelled before it began has no error")
	}
	if took := time.Since(start); took > patience/2 {
		t.Errorf("cancelled reads took %v", took)
	}
	b.Break(None)
	mustBeGood(t, b, d, all(d))
}

func closes(t *testing.T, b Bench) {
	d := b.Driver(t)
	mustBeGood(t, b, d, all(d))
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	readings, err := read(d, all(d))
	if err == nil {
		t.Error("a closed driver reads without an error")
	}
	for _, r := range readings {
		if r.Quality != calms.BadNotConnected {
			t.Errorf("a closed driver reads %v", r.Quality)
		}
	}
}

// leavesNothing looks for goroutines that outlive failed reads and Close.
func leavesNothing(t *testing.T, b Bench) {
	before := runtime.NumGoroutine()
	b.Break(Silent)
	for range 3 {
		d := b.Driver(t)
		if _, err := read(d, all(d)); err == nil {
			t.Error("a silent instrument was read")
		}
		d.Close()
	}
	b.Break(Absent) // ends the bench's own connections
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}
