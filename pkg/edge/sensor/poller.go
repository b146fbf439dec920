package sensor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/crash"
)

const (
	// maxBackfill bounds the bad samples written per channel for one stretch of
	// missed ticks. Longer stretches (a suspended machine) are counted only.
	maxBackfill = 1000

	// overrun is how long past its timeout a driver may still answer before it
	// is left alone.
	overrun = 250 * time.Millisecond
)

// poller reads one instrument at its ticks and records one sample per channel
// and tick. A driver that hangs costs only its own ticks, because reads run
// beside the loop and are left behind when they overrun.
type poller struct {
	name    string
	driver  Driver
	timeout time.Duration
	ticks   schedule
	classes []class
	record  func(t int64, channels []int, readings []Reading)
	log     *slog.Logger

	busyUntil int64         // monotonic end of the newest read; the loop's own
	hanging   chan struct{} // closed when the read left behind ends; the loop's own

	mu       sync.Mutex
	counters InstrumentCounters // mu
}

// class is the channels of one instrument that share an interval.
type class struct {
	interval int64
	points   []int
	channels []int
}

// run polls until ctx ends. A read under way is waited for: its sample counts,
// and so do the ticks that it made miss.
func (p *poller) run(ctx context.Context) {
	defer p.close()
	start := p.ticks.clock.Mono()
	next := func() int64 { return p.ticks.first(start) }
	for {
		tick, ok := p.ticks.wait(ctx, next)
		if !ok {
			p.missUntil(p.busyUntil-1, tick)
			return
		}
		tick = p.catchUp(tick)
		p.sample(tick)
		next = func() int64 { return p.ticks.after(tick) }
	}
}

// catchUp records the ticks that have passed unread as bad samples, and returns
// the newest tick, which can still be read.
func (p *poller) catchUp(tick int64) int64 {
	now := p.ticks.clock.Mono()
	if excess := (now-tick)/p.ticks.interval - maxBackfill; excess > 0 {
		tick += excess * p.ticks.interval
		p.count(func(c *InstrumentCounters) { c.MissedTicks += uint64(excess); c.UnrecordedTicks += uint64(excess) })
	}
	return p.missUntil(now-p.ticks.interval, tick)
}

// missUntil records tick and its followers up to end as bad samples, and returns
// the first tick after end.
func (p *poller) missUntil(end, tick int64) int64 {
	for tick <= end {
		p.miss(tick)
		tick = p.ticks.after(tick)
	}
	return tick
}

// miss records a tick without a read: the instrument's fault where its last
// read was still going on, unknown otherwise.
func (p *poller) miss(tick int64) {
	reason := calms.Bad
	if tick < p.busyUntil {
		reason = calms.BadTimeout
	}
	p.count(func(c *InstrumentCounters) { c.MissedTicks++ })
	if due := p.due(tick); len(due.points) > 0 {
		p.keep(tick, due, allBad(len(due.points), reason))
	}
}

func (p *poller) sample(tick int64) {
	due := p.due(tick)
	if len(due.points) == 0 {
		return
	}
	late := p.ticks.clock.Mono() - tick
	readings, err := p.read(due.points)
	p.busyUntil = p.ticks.clock.Mono()
	if late > p.ticks.interval/2 {
		doubtTime(readings)
	}
	p.note(time.Duration(late), err)
	crash.At("sampler.taken")
	p.keep(tick, due, readings)
}

// read asks the driver, and answers BadTimeout in its place when it overruns or
// still hangs in an earlier read.
func (p *poller) read(points []int) ([]Reading, error) {
	if p.stillHanging() {
		return allBad(len(points), calms.BadTimeout), calms.Errorf(calms.KindTimeout, "the driver hangs in an earlier read")
	}
	readings := allBad(len(points), calms.BadTimeout)
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
		defer cancel()
		err = p.driver.Read(ctx, points, readings)
	}()
	abandon := time.NewTimer(p.timeout + overrun)
	defer abandon.Stop()
	select {
	case <-ended:
		return readings, err
	case <-abandon.C:
		p.hanging = ended
		return allBad(len(points), calms.BadTimeout), calms.Errorf(calms.KindTimeout, "the driver does not return")
	}
}

func (p *poller) stillHanging() bool {
	if p.hanging == nil {
		return false
	}
	select {
	case <-p.hanging:
		p.hanging = nil
		return false
	default:
		return true
	}
}

// due is the points and channels to read at a tick.
func (p *poller) due(tick int64) class {
	if len(p.classes) == 1 && p.classes[0].interval == p.ticks.interval {
		return p.classes[0]
	}
	aligned := p.ticks.number(tick) * p.ticks.interval
	var due class
	for _, c := range p.classes {
		if aligned%c.interval == 0 {
			due.points = append(due.points, c.points...)
			due.channels = append(due.channels, c.channels...)
		}
	}
	return due
}

func (p *poller) keep(tick int64, due class, readings []Reading) {
	p.count(func(c *InstrumentCounters) {
		for _, r := range readings {
			if r.Quality.IsBad() {
				c.Failures[r.Quality]++
			}
		}
	})
	p.record(tick, due.channels, readings)
}

// note keeps the diagnosis for status, and logs when it changes from or to
// health: not at every tick.
func (p *poller) note(late time.Duration, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	var before string
	p.count(func(c *InstrumentCounters) {
		before, c.LastError = c.LastError, text
		c.Reads++
		c.Lateness, c.MaxLateness = late, max(c.MaxLateness, late)
	})
	switch {
	case before == "" && text != "":
		p.log.Warn("instrument has bad values", "instrument", p.name, "error", text)
	case before != "" && text == "":
		p.log.Info("instrument is well again", "instrument", p.name)
	}
}

func (p *poller) count(change func(*InstrumentCounters)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.counters)
}

// close ends the driver, unless it hangs in a read: Close must not run beside it.
func (p *poller) close() {
	if p.stillHanging() {
		return
	}
	if err := p.driver.Close(); err != nil {
		p.log.Warn("instrument does not close", "instrument", p.name, "error", err)
	}
}

func allBad(n int, reason calms.Quality) []Reading {
	readings := make([]Reading, n)
	for i := range readings {
		readings[i] = BadReading(reason)
	}
	return readings
}

// doubtTime marks good values that were read too long after their tick.
func doubtTime(readings []Reading) {
	for i := range readings {
		if readings[i].Quality.IsGood() {
			readings[i].Quality = calms.UncertainClock
		}
	}
}
