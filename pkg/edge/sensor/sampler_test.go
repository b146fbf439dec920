package sensor

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// fakeClock runs on the bubble's time; its offset and its monotonic clock can
// be pushed.
type fakeClock struct {
	base         time.Time
	jump, offset atomic.Int64
	unknown      atomic.Bool
}

func newClock() *fakeClock {
	c := &fakeClock{base: time.Now()}
	c.offset.Store(c.base.UnixNano())
	return c
}

func (c *fakeClock) Mono() int64           { return int64(time.Since(c.base)) + c.jump.Load() }
func (c *fakeClock) Offset() (int64, bool) { return c.offset.Load(), !c.unknown.Load() }

// script is a driver whose reads are a function; the n-th read gets n from 0.
type script struct {
	points []Point
	read   func(ctx context.Context, n int) Reading
	n      int
	closed atomic.Bool
}

func (s *script) Points() []Point { return s.points }
func (s *script) Close() error    { s.closed.Store(true); return nil }

func (s *script) Read(ctx context.Context, points []int, into []Reading) error {
	r := s.read(ctx, s.n)
	s.n++
	for i := range points {
		into[i] = r
	}
	if r.Quality.IsBad() {
		return errors.New(r.Quality.String())
	}
	return nil
}

func counting(_ context.Context, n int) Reading { return Reading{Value: float64(n)} }

func instrument(name string, interval time.Duration, read func(context.Context, int) Reading) Instrument {
	return Instrument{Name: name, Interval: interval, Driver: &script{points: []Point{{Name: "flow", Unit: "m³/h"}, {Name: "pressure"}}, read: read}}
}

// memory is a sink that keeps groups, and fails or waits when told to.
type memory struct {
	mu     sync.Mutex
	groups []Group // mu
	store  func(ctx context.Context) error
}

func (m *memory) Store(ctx context.Context, g Group) error {
	if m.store != nil {
		if err := m.store(ctx); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.groups = append(m.groups, g)
	return nil
}

// samples joins the columns of a channel.
func (m *memory) samples(channel int) []calms.Sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []calms.Sample
	for _, g := range m.groups {
		for _, c := range g.Columns {
			for i := range c.Times {
				if c.Channel == channel {
					out = append(out, calms.Sample{Time: c.Times[i], Value: c.Values[i], Quality: c.Qualities[i]})
				}
			}
		}
	}
	return out
}

// sample runs a sampler for a while in a bubble and returns it.
func sample(t *testing.T, d time.Duration, c Config, during ...func(*Sampler)) (*Sampler, error) {
	t.Helper()
	if c.Clock == nil {
		c.Clock = newClock()
	}
	c.Log = slog.New(slog.DiscardHandler)
	s, err := NewSampler(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for _, f := range during {
		f(s)
	}
	time.Sleep(d)
	cancel()
	return s, <-ended
}

// mustTick demands one sample at each multiple of the interval and nowhere else.
func mustTick(t *testing.T, samples []calms.Sample, interval time.Duration, want int) {
	t.Helper()
	if len(samples) != want {
		t.Fatalf("%d samples, want %d", len(samples), want)
	}
	for i, s := range samples {
		if expected := samples[0].Time + int64(i)*int64(interval); s.Time != expected || s.Time%int64(interval) != 0 {
			t.Fatalf("sample %d is at %v, want %v", i, time.Duration(s.Time), time.Duration(expected))
		}
	}
}

func TestAHangingInstrumentDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		sink := &memory{}
		s, err := sample(t, 30*time.Second+50*time.Millisecond, Config{Sink: sink, Instruments: []Instrument{
			instrument("well", 100*time.Millisecond, counting),
			instrument("silent", 100*time.Millisecond, func(ctx context.Context, n int) Reading {
				<-ctx.Done()
				return BadReading(calms.BadTimeout)
			}),
			instrument("stuck", time.Second, func(context.Context, int) Reading { <-forever; return Reading{} }),
		}})
		close(forever)
		if err != nil {
			t.Fatal(err)
		}
		well := sink.samples(0)
		mustTick(t, well, 100*time.Millisecond, 300)
		for i, sample := range well {
			if !sample.Quality.IsGood() || sample.Value != float64(i) {
				t.Fatalf("sample %d is %+v", i, sample)
			}
		}
		for _, channel := range []int{2, 4} {
			for _, sample := range sink.samples(channel) {
				if sample.Quality != calms.BadTimeout || !math.IsNaN(sample.Value) {
					t.Fatalf("channel %d has %+v", channel, sample)
				}
			}
		}
		mustTick(t, sink.samples(4), time.Second, 30)
		if silent := sink.samples(2); len(silent) < 300 {
			t.Errorf("the silent instrument has %d samples", len(silent))
		} else {
			mustTick(t, silent, 100*time.Millisecond, len(silent))
		}
		c := s.Counters()
		if well := c.Instruments[0]; well.Reads != 300 || well.MissedTicks != 0 || well.MaxLateness != 0 || len(well.Failures) != 0 {
			t.Errorf("counters of the well one are %+v", well)
		}
		if silent := c.Instruments[1]; silent.Reads != 30 || silent.MissedTicks < 270 || silent.LastError == "" || silent.Failures[calms.BadTimeout] < 600 {
			t.Errorf("counters of the silent one are %+v", silent)
		}
		if driver := s.config.Instruments[2].Driver.(*script); driver.closed.Load() {
			t.Error("a driver was closed while it reads")
		}
		if driver := s.config.Instruments[0].Driver.(*script); !driver.closed.Load() {
			t.Error("a driver was not closed")
		}
	})
}

func TestASlowAnswerKeepsItsTickAndTheMissedOnesFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memory{}
		sample(t, 2*time.Second+50*time.Millisecond, Config{Sink: sink, Instruments: []Instrument{
			instrument("slow", 100*time.Millisecond, func(_ context.Context, n int) Reading {
				if n == 4 {
					time.Sleep(370 * time.Millisecond)
				}
				return Reading{Value: float64(n)}
			}),
		}})
		samples := sink.samples(0)
		mustTick(t, samples, 100*time.Millisecond, 20)
		want := []calms.Quality{0, 0, 0, 0, 0, calms.BadTimeout, calms.BadTimeout, calms.UncertainClock, 0, 0}
		for i, q := range want {
			if samples[i].Quality != q {
				t.Errorf("sample %d is %v, want %v", i, samples[i].Quality, q)
			}
		}
		if samples[4].Value != 4 || samples[7].Value != 5 {
			t.Errorf("values moved to other ticks: %v", samples[:9])
		}
	})
}

func TestASuspendedMachineIsABoundedGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, clock := &memory{}, newClock()
		s, _ := sample(t, 2*time.Second, Config{Clock: clock, Sink: sink, Instruments: []Instrument{instrument("a", 100*time.Millisecond, counting)}}, func(*Sampler) {
			time.Sleep(time.Second + 50*time.Millisecond)
			clock.jump.Add(int64(time.Hour))
		})
		bad := 0
		var last int64
		for _, sample := range sink.samples(0) {
			if sample.Time <= last || sample.Time%int64(100*time.Millisecond) != 0 {
				t.Fatalf("time %v after %v", sample.Time, last)
			}
			if last = sample.Time; sample.Quality == calms.Bad {
				bad++
			}
		}
		c := s.Counters().Instruments[0]
		if bad != maxBackfill || c.UnrecordedTicks+maxBackfill != c.MissedTicks || c.MissedTicks != 36000 {
			t.Errorf("%d bad samples, counters %+v", bad, c)
		}
	})
}

func TestTicksFollowUTCWhenItBecomesKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, clock := &memory{}, newClock()
		clock.unknown.Store(true)
		clock.offset.Add(int64(300 * time.Millisecond))
		const interval = int64(time.Second)
		sample(t, 5*time.Second, Config{Clock: clock, Sink: sink, Instruments: []Instrument{instrument("a", time.Second, counting)}}, func(*Sampler) {
			time.Sleep(5*time.Second + 100*time.Millisecond)
			clock.unknown.Store(false)
			time.Sleep(5 * time.Second)
			clock.offset.Add(-int64(77 * time.Hour / 3))
		})
		samples := sink.samples(0)
		if len(samples) < 13 {
			t.Fatalf("%d samples", len(samples))
		}
		for i, s := range samples {
			if i > 0 {
				if gap := s.Time - samples[i-1].Time; gap < interval/2 || gap > interval*3/2 {
					t.Errorf("sample %d comes %v after the one before", i, time.Duration(gap))
				}
			}
			if i < 5 && s.Time%interval != 0 {
				t.Errorf("sample %d is at %v, not a multiple on the monotonic clock", i, time.Duration(s.Time))
			}
			if i == 8 && (s.Time+clock.base.UnixNano()+int64(300*time.Millisecond))%interval != 0 {
				t.Errorf("sample %d at %v is no multiple in UTC", i, time.Duration(s.Time))
			}
		}
	})
}

func TestGroupsEndAtBoundaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memory{}
		s, err := sample(t, 25*time.Second+50*time.Millisecond, Config{Sink: sink, Instruments: []Instrument{
			instrument("a", 500*time.Millisecond, counting), instrument("b", time.Second, counting),
		}})
		if err != nil {
			t.Fatal(err)
		}
		want := [][2]time.Duration{{500 * time.Millisecond, 9500 * time.Millisecond}, {10 * time.Second, 19500 * time.Millisecond}, {20 * time.Second, 25 * time.Second}}
		if len(sink.groups) != len(want) {
			t.Fatalf("%d groups", len(sink.groups))
		}
		for i, g := range sink.groups {
			if g.First != int64(want[i][0]) || g.Last != int64(want[i][1]) {
				t.Errorf("group %d is %v to %v", i, time.Duration(g.First), time.Duration(g.Last))
			}
			for channel, c := range g.Columns {
				if c.Channel != channel || len(c.Times) != len(c.Values) || len(c.Times) != len(c.Qualities) || !slices.IsSorted(c.Times) {
					t.Errorf("group %d has the column %+v", i, c)
				}
			}
		}
		if c := s.Counters().Sink; c.Samples != 2*50+2*25 || c.Stored != c.Samples || c.Pending != 0 || c.Dropped != 0 {
			t.Errorf("counters are %+v", c)
		}
		if newest, ok := s.Newest(0); !ok || newest.Value != 49 || newest.Time != int64(25*time.Second) {
			t.Errorf("newest is %+v, %v", newest, ok)
		}
	})
}

func TestAFailingSinkLosesNothingWithinTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left")
		var failing atomic.Bool
		failing.Store(true)
		sink := &memory{store: func(context.Context) error {
			if failing.Load() {
				return full
			}
			return nil
		}}
		s, err := sample(t, 10*time.Second+50*time.Millisecond, Config{Sink: sink, Instruments: []Instrument{instrument("a", 100*time.Millisecond, counting)}}, func(s *Sampler) {
			time.Sleep(time.Minute)
			if c := s.Counters().Sink; c.LastError != full.Error() || c.Stored != 0 || c.Failures == 0 || c.Pending == 0 {
				t.Errorf("counters while failing: %+v", c)
			}
			failing.Store(false)
		})
		if err != nil {
			t.Fatal(err)
		}
		mustTick(t, sink.samples(0), 100*time.Millisecond, 700)
		if c := s.Counters().Sink; c.Dropped != 0 || c.Stored != c.Samples || c.LastError != "" {
			t.Errorf("counters are %+v", c)
		}
	})
}

func TestBeyondTheLimitTheOldestGoesAndIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		failing.Store(true)
		sink := &memory{store: func(context.Context) error {
			if failing.Load() {
				return errors.New("no")
			}
			return nil
		}}
		s, err := sample(t, time.Second+50*time.Millisecond, Config{Sink: sink, MaxPending: 1000, MaxGroup: 500, Instruments: []Instrument{instrument("a", 100*time.Millisecond, counting)}}, func(*Sampler) {
			time.Sleep(time.Hour)
			failing.Store(false)
		})
		if err != nil {
			t.Fatal(err)
		}
		c, kept := s.Counters().Sink, sink.samples(0)
		mustTick(t, kept, 100*time.Millisecond, len(kept))
		if newest, _ := s.Newest(0); kept[len(kept)-1] != newest {
			t.Errorf("the newest samples are missing: %+v, %+v", kept[len(kept)-1], newest)
		}
		if c.Dropped == 0 || c.Samples != c.Stored+c.Dropped || int(c.Stored) != 2*len(kept) || len(kept) < 400 || s.Counters().Instruments[0].MissedTicks != 0 {
			t.Errorf("%d samples kept, counters %+v", len(kept), c)
		}
	})
}

func TestASinkThatHangsAtTheEndIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memory{store: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		s, err := sample(t, 25*time.Second+50*time.Millisecond, Config{Sink: sink, Instruments: []Instrument{instrument("a", time.Second, counting)}})
		if calms.KindOf(err) != calms.KindUnavailable || !strings.Contains(err.Error(), "50 samples could not be stored") {
			t.Errorf("error is %v", err)
		}
		if c := s.Counters(); c.Sink.Dropped != 50 || c.Instruments[0].MissedTicks != 0 {
			t.Errorf("counters are %+v", c)
		}
	})
}

func TestAFullGroupGoesEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &memory{}
		sample(t, 9*time.Second+50*time.Millisecond, Config{Sink: sink, MaxGroup: 7, Instruments: []Instrument{instrument("a", 100*time.Millisecond, counting)}})
		mustTick(t, sink.samples(1), 100*time.Millisecond, 90)
		for _, g := range sink.groups {
			if g.Samples() > 7 {
				t.Errorf("a group has %d samples", g.Samples())
			}
		}
	})
}

func TestChannelsMayBeSlowerThanTheirInstrument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := instrument("meter", 500*time.Millisecond, counting)
		in.Channels = []Selection{{Point: "pressure", Interval: 2 * time.Second}, {Point: "flow", Name: "main-flow"}}
		sink := &memory{}
		s, _ := sample(t, 20*time.Second+50*time.Millisecond, Config{Sink: sink, Instruments: []Instrument{in}})
		want := []Channel{
			{Name: "meter-pressure", Instrument: "meter", Point: "pressure", Kind: KindFloat64, Interval: 2 * time.Second},
			{Name: "main-flow", Unit: "m³/h", Instrument: "meter", Point: "flow", Kind: KindFloat64, Interval: 500 * time.Millisecond},
		}
		if !slices.Equal(s.Channels(), want) {
			t.Errorf("channels are %+v", s.Channels())
		}
		mustTick(t, sink.samples(0), 2*time.Second, 10)
		mustTick(t, sink.samples(1), 500*time.Millisecond, 40)
	})
}

func TestConfigurationMistakesAreNamed(t *testing.T) {
	with := func(change func(*Instrument)) Config {
		a, b := instrument("a", time.Second, counting), instrument("b", time.Second, counting)
		change(&b)
		return Config{Instruments: []Instrument{a, b}, Clock: newClock(), Sink: &memory{}, Log: slog.New(slog.DiscardHandler)}
	}
	selecting := func(s ...Selection) Config { return with(func(in *Instrument) { in.Channels = s }) }
	for want, c := range map[string]Config{
		`instruments[1] "Bé": name: "Bé" is not a name`:                                                      with(func(in *Instrument) { in.Name = "Bé" }),
		`instruments[1] "b": driver: is missing`:                                                             with(func(in *Instrument) { in.Driver = nil }),
		`interval: 99ms is not between`:                                                                      with(func(in *Instrument) { in.Interval = 99 * time.Millisecond }),
		`interval: 25h0m0s is not between`:                                                                   with(func(in *Instrument) { in.Interval = 25 * time.Hour }),
		`timeout: 2m0s is not between`:                                                                       with(func(in *Instrument) { in.Timeout = 2 * time.Minute }),
		`instruments[1] "b": channels[0].point: no point "flwo" (known: flow, pressure)`:                     selecting(Selection{Point: "flwo"}),
		`channels[1].point: "flow" is selected twice`:                                                        selecting(Selection{Point: "flow"}, Selection{Point: "flow", Name: "again"}),
		`instruments[1] "b": channels[0]: name: "main flow" is not a name`:                                   selecting(Selection{Point: "flow", Name: "main flow"}),
		`instruments[1] "b": channels[0]: interval: 1.5s is not a multiple of the instrument's 1s, up to 24`: selecting(Selection{Point: "flow", Interval: 1500 * time.Millisecond}),
		`instruments[1] "b": channel name "a-flow" is used twice`:                                            selecting(Selection{Point: "flow", Name: "a-flow"}),
		`instruments[1] "a": channel name "a-flow" is used twice`:                                            with(func(in *Instrument) { in.Name = "a" }),
	} {
		if _, err := NewSampler(c); err == nil || !strings.Contains(err.Error(), want) || calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	for want, change := range map[string]func(*Config){
		"batch interval: 1ms":          func(c *Config) { c.BatchInterval = time.Millisecond },
		"group limit 10 and pending":   func(c *Config) { c.MaxGroup, c.MaxPending = 10, 9 },
		"clock, sink and log are need": func(c *Config) { c.Sink = nil },
		"2 channels are more than":     func(c *Config) { c.MaxGroup = 1 },
	} {
		c := with(func(*Instrument) {})
		change(&c)
		if _, err := NewSampler(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
