package history

import (
	"context"
	"sync"
	"sync/atomic"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/wire"
)

// tailBuffer is how many commits a slow reader of [History.Tail] may be behind
// before it loses some.
const tailBuffer = 256

// tails are the running calls of [History.Tail].
type tails struct {
	mu      sync.Mutex // guards readers
	readers map[chan news]struct{}
	missed  atomic.Uint64
}

// news is the batches of one commit.
type news struct {
	device calms.DeviceID
	steps  []replica.Step
}

// tell passes newly stored batches on; it never waits.
func (h *History) tell(device calms.DeviceID, steps []replica.Step, out replica.Outcome) {
	h.tails.mu.Lock()
	defer h.tails.mu.Unlock()
	if len(h.tails.readers) == 0 || out.Samples == 0 {
		return
	}
	stored := news{device: device}
	for _, s := range steps {
		if s.Batch != nil && s.Number <= out.Cursor.Number && s.Number > out.Cursor.Number-uint64(out.Stored) {
			stored.steps = append(stored.steps, s)
		}
	}
	for reader := range h.tails.readers {
		select {
		case reader <- stored:
		default:
			h.tails.missed.Add(1)
		}
	}
}

// Tail calls f with every sample that is stored from now on and placed in time,
// until ctx ends or f fails. A reader that is too slow misses some.
func (h *History) Tail(ctx context.Context, f func(device calms.DeviceID, channel string, s calms.Sample) error) error {
	reader := make(chan news, tailBuffer)
	h.tails.mu.Lock()
	if h.tails.readers == nil {
		h.tails.readers = map[chan news]struct{}{}
	}
	h.tails.readers[reader] = struct{}{}
	h.tails.mu.Unlock()
	defer func() {
		h.tails.mu.Lock()
		defer h.tails.mu.Unlock()
		delete(h.tails.readers, reader)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case n := <-reader:
			if err := h.spread(ctx, n, f); err != nil {
				return err
			}
		}
	}
}

func (h *History) spread(ctx context.Context, n news, f func(calms.DeviceID, string, calms.Sample) error) error {
	r := reader{ctx: ctx, tx: h.db.Read(), device: n.device}
	if err := r.readBoots(); err != nil {
		return calms.Wrap("tail", err)
	}
	offsets := map[[16]byte]int64{}
	for _, b := range r.boots {
		offsets[[16]byte(b.id)] = b.offset
	}
	for _, s := range n.steps {
		if offset, placed := offsets[s.Batch.Boot]; placed {
			if err := spreadBatch(n.device, s.Batch, s.Channels, offset, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func spreadBatch(device calms.DeviceID, b *batch.Batch, channels []wire.Channel, offset int64, f func(calms.DeviceID, string, calms.Sample) error) error {
	for i := range b.Columns {
		column := &b.Columns[i]
		for k := range column.Len() {
			sample := column.At(k)
			sample.Time += offset
			if err := f(device, channels[column.Channel].Name, sample); err != nil {
				return err
			}
		}
	}
	return nil
}

// Missed counts the commits that slow readers of [History.Tail] missed.
func (h *History) Missed() uint64 { return h.tails.missed.Load() }
