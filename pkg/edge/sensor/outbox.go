package sensor

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Sink keeps groups for good.
type Sink interface {
	// Store returns nil once the group is durable. An error means that nothing
	// of it was kept: the same group comes again later, before any newer one.
	// Store is called by one goroutine and must end soon after ctx does. It may
	// keep the group's slices.
	Store(ctx context.Context, g Group) error
}

// The waits between attempts at a sink that fails.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// outbox holds finished groups until the sink has them. It never makes the
// measuring wait: beyond its limit the oldest group goes, and is counted.
type outbox struct {
	sink  Sink
	limit int // samples held
	log   *slog.Logger
	wake  chan struct{} // one slot: something changed
	shut  chan struct{} // closed when no group will come any more

	mu       sync.Mutex
	queue    []Group      // mu; oldest first
	counters SinkCounters // mu; Pending is the samples in queue
}

func newOutbox(sink Sink, limit int, log *slog.Logger) *outbox {
	return &outbox{sink: sink, limit: limit, log: log, wake: make(chan struct{}, 1), shut: make(chan struct{})}
}

// push adds a group. It does not block.
func (o *outbox) push(g Group) {
	o.mu.Lock()
	o.queue = append(o.queue, g)
	o.counters.Samples += uint64(g.Samples())
	o.counters.Pending += g.Samples()
	o.trim()
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// trim drops the oldest groups beyond the limit. The caller holds mu.
func (o *outbox) trim() {
	for o.counters.Pending > o.limit {
		o.counters.Dropped += uint64(o.queue[0].Samples())
		o.counters.Pending -= o.queue[0].Samples()
		o.queue = slices.Delete(o.queue, 0, 1)
	}
}

// run delivers until the outbox is shut and empty, or ctx ends.
func (o *outbox) run(ctx context.Context) {
	retry := firstRetry
	for ctx.Err() == nil {
		g, ok := o.take()
		if !ok {
			if !o.await(ctx) {
				return
			}
			continue
		}
		err := o.sink.Store(ctx, g)
		o.settle(g, err)
		if err == nil {
			retry = firstRetry
			continue
		}
		o.pause(ctx, retry)
		retry = min(2*retry, lastRetry)
	}
}

func (o *outbox) take() (Group, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return Group{}, false
	}
	g := o.queue[0]
	o.queue = slices.Delete(o.queue, 0, 1)
	o.counters.Pending -= g.Samples()
	return g, true
}

// settle counts a group as stored, or puts it back in front.
func (o *outbox) settle(g Group, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if failing := o.counters.LastError != ""; failing != (err != nil) {
		if err != nil {
			o.log.Error("samples cannot be stored, they wait in memory", "error", err)
		} else {
			o.log.Info("samples are stored again", "dropped", o.counters.Dropped)
		}
	}
	if err == nil {
		o.counters.Stored += uint64(g.Samples())
		o.counters.LastError = ""
		return
	}
	o.counters.Failures++
	o.counters.LastError = err.Error()
	o.queue = slices.Insert(o.queue, 0, g)
	o.counters.Pending += g.Samples()
	o.trim()
}

// await sleeps until there may be a group; false means that none will come.
func (o *outbox) await(ctx context.Context) bool {
	select {
	case <-o.wake:
		return true
	case <-ctx.Done():
		return false
	case <-o.shut:
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.queue) > 0
	}
}

func (o *outbox) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// abandon counts what is still held as dropped and returns how much it was.
func (o *outbox) abandon() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	lost := o.counters.Pending
	o.counters.Dropped += uint64(lost)
	o.counters.Pending, o.queue = 0, nil
	return lost
}

func (o *outbox) snapshot() SinkCounters {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counters
}
