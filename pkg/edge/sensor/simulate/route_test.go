package simulate

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/edge/sensor/modbus"
	"go.calms.com/calms/pkg/edge/sensor/profile"
)

// realClock counts from its making.
type realClock struct{ start time.Time }

func (c realClock) Mono() int64           { return int64(time.Since(c.start)) }
func (c realClock) Offset() (int64, bool) { return c.start.UnixNano(), true }

type groups struct {
	mu  sync.Mutex
	all []sensor.Group // mu
}

func (g *groups) Store(_ context.Context, group sensor.Group) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, group)
	return nil
}

// TestSampledValuesAreTheServedOnes takes the first steps of the route of a
// sample with all its real parts, an instrument that dies and comes back included.
func TestSampledValuesAreTheServedOnes(t *testing.T) {
	p, err := profile.Load("suto-s430")
	if err != nil {
		t.Fatal(err)
	}
	s, file := start(t, p)
	driver, err := modbus.New(modbus.Config{Address: s.Address(), Unit: 1, Map: p.Modbus})
	if err != nil {
		t.Fatal(err)
	}
	sink := &groups{}
	sampler, err := sensor.NewSampler(sensor.Config{
		Clock: realClock{time.Now()}, Sink: sink, Log: slog.New(slog.DiscardHandler), BatchInterval: 500 * time.Millisecond,
		Instruments: []sensor.Instrument{{Name: "meter", Driver: driver, Interval: 100 * time.Millisecond}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sampler.Run(ctx) }()
	await(t, func() bool { return sampler.Counters().Instruments[0].Reads > 10 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return len(sampler.Counters().Instruments[0].Failures) > 0 })
	again, err := Start(Options{Listen: s.Address(), Profile: p, Unit: 1, Log: file, Seed: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	await(t, func() bool { return sampler.Counters().Instruments[0].LastError == "" })
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	compare(t, sampler, sink, readLog(t, file))
}

func compare(t *testing.T, sampler *sensor.Sampler, sink *groups, served map[string]map[uint64]int) {
	t.Helper()
	good, channels := 0, sampler.Channels()
	for _, g := range sink.all {
		for _, c := range g.Columns {
			for i, q := range c.Qualities {
				if q.IsBad() {
					continue
				}
				good++
				if bits := math.Float64bits(c.Values[i]); served[channels[c.Channel].Point][bits] == 0 {
					t.Errorf("%s: %v was never served", channels[c.Channel].Name, c.Values[i])
				}
			}
		}
	}
	if good < 10*len(channels) {
		t.Errorf("%d good samples of %d channels", good, len(channels))
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the condition was never met")
		}
	}
}
