package clock

import (
	"log/slog"
	"testing"
	"time"

	"go.calms.com/calms/pkg/wire"
)

// machine is a machine whose clocks a test sets.
type machine struct{ Reading }

func (m *machine) read() (Reading, error) { return m.Reading, nil }

var build = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, boot byte, m *machine) *Clock {
	t.Helper()
	c, err := Open(Config{Dir: dir, Build: build, Log: slog.New(slog.DiscardHandler), Read: m.read, Boot: [16]byte{boot}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func anchor(t *testing.T, c *Clock) wire.Anchor {
	t.Helper()
	a, known := c.Anchor()
	if offset, also := c.Offset(); known != also || known && offset != a.Offset() {
		t.Fatalf("the anchor in force has offset %d, the clock %d", a.Offset(), offset)
	}
	return a
}

func check(t *testing.T, c *Clock) wire.Anchor {
	t.Helper()
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	return anchor(t, c)
}

func at(mono time.Duration, utc time.Time, e time.Duration, synced bool) Reading {
	return Reading{Mono: int64(mono), UTC: utc.UnixNano(), Error: e, Synced: synced}
}

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func TestAClockWithoutABatteryIsUnknown(t *testing.T) {
	m := &machine{at(time.Minute, time.Unix(60, 0), time.Hour, false)}
	c := open(t, t.TempDir(), 1, m)
	if _, known := c.Offset(); known {
		t.Error("1970 was believed")
	}
	if c.Now().Before(build) {
		t.Errorf("certificates are judged at %s", c.Now())
	}
	m.Reading = at(2*time.Minute, noon, time.Hour, false)
	if a := check(t, c); a.UTC != noon.UnixNano() || a.Mono != int64(2*time.Minute) || a.Error != int64(time.Hour) || a.Boot != c.Boot() {
		t.Errorf("the anchor is %+v", a)
	}
}

func TestABetterKnownTimeKeepsAlignedMoments(t *testing.T) {
	m := &machine{at(time.Minute, noon, time.Hour, false)}
	c := open(t, t.TempDir(), 1, m)
	before := anchor(t, c)
	m.Reading = at(2*time.Minute, noon.Add(time.Minute+300*time.Microsecond), 20*time.Millisecond, true)
	after := check(t, c)
	if after.Offset() != before.Offset() || after.Error != int64(20*time.Millisecond+300*time.Microsecond) {
		t.Errorf("offset %d became %d, error %d", before.Offset(), after.Offset(), after.Error)
	}
	m.Reading = at(3*time.Minute, noon.Add(2*time.Minute+700*time.Microsecond), 19*time.Millisecond, true)
	if again := check(t, c); again != after {
		t.Errorf("a needless anchor: %+v", again)
	}
}

func TestASetClock(t *testing.T) {
	for name, c := range map[string]struct {
		before, after Reading
		taken         bool
	}{
		"by hand":                {at(1, noon, time.Hour, false), at(2, noon.Add(time.Minute), time.Hour, false), true},
		"by hand, a little":      {at(1, noon, time.Hour, false), at(2, noon.Add(400*time.Millisecond), time.Hour, false), false},
		"back":                   {at(1, noon, time.Hour, false), at(2, noon.Add(-time.Minute), time.Hour, false), true},
		"back below the floor":   {at(1, noon, time.Hour, false), at(2, build.Add(-time.Minute), time.Hour, false), false},
		"by a worse one":         {at(1, noon, time.Millisecond, true), at(2, noon.Add(time.Minute), time.Hour, false), false},
		"by one that is as good": {at(1, noon, 5*time.Millisecond, true), at(2, noon.Add(time.Minute), 8*time.Millisecond, true), true},
		"by a better one":        {at(1, noon, time.Hour, false), at(2, noon.Add(time.Second), time.Millisecond, true), true},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{c.before}
			clock := open(t, t.TempDir(), 1, m)
			before := anchor(t, clock)
			m.Reading = c.after
			after := check(t, clock)
			if taken := after != before; taken != c.taken {
				t.Fatalf("taken: %v", taken)
			}
			if c.taken && (after.Error >= before.Error || after.UTC != c.after.UTC) {
				t.Errorf("%+v does not overrule %+v at the cloud", after, before)
			}
		})
	}
}

func TestARestartGoesOnWithinTheBoot(t *testing.T) {
	dir := t.TempDir()
	m := &machine{at(time.Minute, noon, time.Hour, false)}
	first := anchor(t, open(t, dir, 1, m))
	m.Reading = at(2*time.Minute, noon.Add(time.Minute+70*time.Microsecond), time.Hour, false)
	if again := anchor(t, open(t, dir, 1, m)); again != first {
		t.Errorf("%+v became %+v", first, again)
	}
	if other := anchor(t, open(t, dir, 2, m)); other.Offset() == first.Offset() {
		t.Error("another boot went on with the offset")
	}
}

func TestTheFloorOutlivesTheBattery(t *testing.T) {
	dir := t.TempDir()
	m := &machine{at(time.Minute, noon, time.Second, true)}
	if err := open(t, dir, 1, m).KeepFloor(); err != nil {
		t.Fatal(err)
	}
	m.Reading = at(time.Second, noon.Add(-time.Hour), time.Hour, false)
	c := open(t, dir, 2, m)
	if _, known := c.Offset(); known || c.Now().Before(noon.Add(-time.Second)) {
		t.Errorf("after the battery died it is %s", c.Now())
	}
}

func TestAWrongClockDoesNotLiftTheFloor(t *testing.T) {
	m := &machine{at(time.Minute, noon.AddDate(70, 0, 0), time.Hour, false)}
	c := open(t, t.TempDir(), 1, m)
	m.Reading = at(2*time.Minute, noon, time.Second, true)
	check(t, c)
	if now := c.Now(); !now.Equal(noon) {
		t.Errorf("it is %s", now)
	}
}

func TestTheKernelsClocks(t *testing.T) {
	c, err := Open(Config{Dir: t.TempDir(), Build: build, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	before := c.Mono()
	if c.Boot() == ([16]byte{}) || before <= 0 || c.Mono() < before {
		t.Errorf("boot %x, monotonic %d", c.Boot(), before)
	}
	if difference := time.Since(c.Now()); difference.Abs() > time.Minute {
		t.Errorf("the clock is %s from the machine's", difference)
	}
	if _, err := parseBoot("no uuid"); err == nil {
		t.Error("a boot id that is none was read")
	}
}
