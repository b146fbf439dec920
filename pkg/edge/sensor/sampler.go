package sensor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// Defaults of [Config].
const (
	DefaultBatchInterval = 10 * time.Second
	DefaultMaxGroup      = 16_384    // keeps a batch of incompressible values below a message's 256 KiB
	DefaultMaxPending    = 1_000_000 // about 17 MB
	DefaultStopTimeout   = 10 * time.Second
)

// Config is what a [Sampler] needs. Zero numbers mean their defaults.
type Config struct {
	Instruments   []Instrument
	Clock         Clock
	Sink          Sink
	Log           *slog.Logger
	BatchInterval time.Duration // groups end at its multiples in UTC; 100 ms to a day
	MaxGroup      int           // samples in one group; a fuller one goes out early
	MaxPending    int           // samples held in memory while the sink fails, beside the open group
	StopTimeout   time.Duration // for storing the last groups after Run's context ends
}

// Sampler reads all instruments of a device at their ticks and groups the
// samples. Every tick gives each of its channels exactly one sample, stamped
// with the scheduled time.
type Sampler struct {
	config    Config
	channels  []Channel
	pollers   []*poller
	collector *collector
	outbox    *outbox
}

// NewSampler checks a configuration. Errors have [calms.KindInvalid] and name
// the instrument and the field. The sampler owns the drivers from here on.
func NewSampler(config Config) (*Sampler, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	s := &Sampler{config: config}
	s.outbox = newOutbox(config.Sink, config.MaxPending, config.Log)
	for i, in := range config.Instruments {
		if err := s.add(in); err != nil {
			return nil, calms.Wrap(fmt.Sprintf("instruments[%d] %q", i, in.Name), err)
		}
	}
	s.collector = newCollector(len(s.channels), config.MaxGroup, s.outbox.push)
	return s, nil
}

func (c *Config) complete() error {
	setDefault(&c.BatchInterval, DefaultBatchInterval)
	setDefault(&c.MaxGroup, DefaultMaxGroup)
	setDefault(&c.MaxPending, DefaultMaxPending)
	setDefault(&c.StopTimeout, DefaultStopTimeout)
	switch {
	case c.Clock == nil || c.Sink == nil || c.Log == nil:
		return invalid("sampler: clock, sink and log are needed")
	case c.BatchInterval < MinInterval || c.BatchInterval > MaxInterval:
		return invalid("batch interval: %v is not between %v and %v", c.BatchInterval, MinInterval, MaxInterval)
	case c.MaxGroup < 1 || c.MaxPending < c.MaxGroup:
		return invalid("group limit %d and pending limit %d: the second must hold the first", c.MaxGroup, c.MaxPending)
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// add makes the poller and the channels of one instrument.
func (s *Sampler) add(in Instrument) error {
	channels, points, err := channelsOf(in)
	if err != nil {
		return err
	}
	if len(channels) > s.config.MaxGroup {
		return invalid("%d channels are more than a group of %d samples holds", len(channels), s.config.MaxGroup)
	}
	p := &poller{
		name: in.Name, driver: in.Driver, timeout: in.Timeout, log: s.config.Log,
		ticks:    schedule{clock: s.config.Clock, interval: int64(in.Interval)},
		counters: InstrumentCounters{Instrument: in.Name, Failures: map[calms.Quality]uint64{}},
		record:   func(t int64, chs []int, rs []Reading) { s.collector.record(t, chs, rs) },
	}
	setDefault(&p.timeout, DefaultTimeout)
	for i, channel := range channels {
		if slices.ContainsFunc(s.channels, func(c Channel) bool { return c.Name == channel.Name }) {
			return invalid("channel name %q is used twice", channel.Name)
		}
		p.assign(int64(channel.Interval), points[i], len(s.channels))
		s.channels = append(s.channels, channel)
	}
	s.pollers = append(s.pollers, p)
	return nil
}

// assign puts a channel into the class of its interval.
func (p *poller) assign(interval int64, point, channel int) {
	i := slices.IndexFunc(p.classes, func(c class) bool { return c.interval == interval })
	if i < 0 {
		i = len(p.classes)
		p.classes = append(p.classes, class{interval: interval})
	}
	c := &p.classes[i]
	c.points, c.channels = append(c.points, point), append(c.channels, channel)
}

// Channels describes the channels; a [Column] names them by their index here.
// The list never changes.
func (s *Sampler) Channels() []Channel { return slices.Clone(s.channels) }

// Newest is the latest sample of the channel with this index, and whether there
// is one yet. Its time is monotonic. It may be called at any time.
func (s *Sampler) Newest(channel int) (calms.Sample, bool) { return s.collector.newestOf(channel) }

// Counters may be called at any time.
func (s *Sampler) Counters() Counters {
	c := Counters{Sink: s.outbox.snapshot()}
	for _, p := range s.pollers {
		c.Instruments = append(c.Instruments, p.snapshot())
	}
	return c
}

// Run samples until ctx ends; call it once. Reads under way are then completed,
// the last group is handed over under a context of its own, and the drivers are
// closed. The error is nil unless samples could not be stored in that time.
func (s *Sampler) Run(ctx context.Context) error {
	storing, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var delivery, sampling sync.WaitGroup
	delivery.Go(func() { s.outbox.run(storing) })
	for _, p := range s.pollers {
		sampling.Go(func() { p.run(ctx) })
	}
	sampling.Go(func() { s.flushAtBoundaries(ctx) })

	sampling.Wait()
	s.collector.flushAll()
	close(s.outbox.shut)
	deadline := time.AfterFunc(s.config.StopTimeout, giveUp)
	defer deadline.Stop()
	delivery.Wait()
	if lost := s.outbox.abandon(); lost > 0 {
		return calms.Errorf(calms.KindUnavailable, "stop sampling: %d samples could not be stored in %v: %s", lost, s.config.StopTimeout, s.outbox.snapshot().LastError)
	}
	return nil
}

func (s *Sampler) flushAtBoundaries(ctx context.Context) {
	batches := schedule{clock: s.config.Clock, interval: int64(s.config.BatchInterval)}
	last := s.config.Clock.Mono()
	next := func() int64 { return batches.first(last) }
	for {
		boundary, ok := batches.wait(ctx, next)
		if !ok {
			return
		}
		s.collector.flush(boundary)
		last = max(boundary, s.config.Clock.Mono())
	}
}
