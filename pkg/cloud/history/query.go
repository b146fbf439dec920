package history

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// Result is the newest samples of a range.
type Result struct {
	Samples   []calms.Sample // times are UTC nanoseconds, oldest first
	Truncated bool           // older samples of the range were left out
	Losers    uint64         // samples that lost against another one of the same time
	Unplaced  uint64         // samples of the device that wait for an anchor
}

// firstLook is how far back Query looks at first for the newest samples; it
// looks twice as far each time until it has enough.
const firstLook = int64(time.Hour)

// Query returns the newest samples of a channel in [from, to), UTC nanoseconds,
// at most limit of them.
func (h *History) Query(ctx context.Context, device calms.DeviceID, channel string, from, to int64, limit int) (Result, error) {
	var result Result
	from, to = clamp(from, to)
	err := h.db.View(ctx, func(tx store.Tx) error {
		result = Result{}
		var err error
		if result.Unplaced, err = unplaced(ctx, tx, device); err != nil {
			return err
		}
		r, err := h.reader(ctx, tx, device, channel)
		if err != nil {
			return err
		}
		return r.newest(&result, from, to, limit)
	})
	return result, calms.Wrap("query "+channel, err)
}

// newest fills result from the end of the range backwards.
func (r *reader) newest(result *Result, from, to int64, limit int) error {
	first, ok, err := r.next(from)
	if err != nil || !ok {
		return err
	}
	last, _, err := r.last()
	if err != nil {
		return err
	}
	from, to = max(from, first), min(to, last)
	for look := firstLook; to > from && len(result.Samples) <= limit; look *= 2 {
		begin := from
		if to-from > look {
			begin = to - look
		}
		samples, losers, err := r.read(begin, to)
		if err != nil {
			return err
		}
		result.Samples = slices.Concat(samples, result.Samples)
		result.Losers += losers
		to = begin
	}
	if surplus := len(result.Samples) - limit; surplus > 0 {
		result.Samples, result.Truncated = result.Samples[surplus:], true
	}
	return nil
}

// unplaced counts the samples of a device that no anchor places in time.
func unplaced(ctx context.Context, tx store.Tx, device calms.DeviceID) (n uint64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COALESCE(SUM(b.samples), 0) FROM batches b JOIN boots o ON o.device = b.device AND o.boot = b.boot
		WHERE o.device = $1 AND o.placed IS NULL`, string(device)).Scan(&n)
	return n, err
}

// Digest is one slice of a range.
type Digest struct {
	Start          int64 // UTC nanoseconds
	Count          uint64
	Bad            uint64  // samples without a value
	Min, Max, Mean float64 // of the values; NaN where there are none
}

// Digest cuts [from, to) into equal buckets. Samples of bad quality, and values
// that are no numbers, count as bad.
func (h *History) Digest(ctx context.Context, device calms.DeviceID, channel string, from, to int64, buckets int) ([]Digest, error) {
	if buckets < 1 || to <= from {
		return nil, calms.Errorf(calms.KindInvalid, "a digest needs at least one bucket and a range that ends after it begins")
	}
	from, to = clamp(from, to)
	digests := make([]Digest, buckets)
	width := float64(to-from) / float64(buckets)
	for i := range digests {
		digests[i] = Digest{Start: from + int64(float64(i)*width), Min: math.Inf(1), Max: math.Inf(-1)}
	}
	_, err := h.Walk(ctx, device, channel, from, to, func(s calms.Sample) error {
		digests[min(int(float64(s.Time-from)/width), buckets-1)].add(s)
		return nil
	})
	for i := range digests {
		digests[i].finish()
	}
	return digests, calms.Wrap("digest "+channel, err)
}

// add takes a sample; Mean is the sum until finish.
func (d *Digest) add(s calms.Sample) {
	if s.Quality.IsBad() || math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		d.Bad++
		return
	}
	d.Count++
	d.Mean += s.Value
	d.Min, d.Max = min(d.Min, s.Value), max(d.Max, s.Value)
}

func (d *Digest) finish() {
	if d.Count == 0 {
		d.Min, d.Max, d.Mean = math.NaN(), math.NaN(), math.NaN()
		return
	}
	d.Mean /= float64(d.Count)
}

// Channels lists the channels that a device ever described, by name; the newest
// description counts.
func (h *History) Channels(ctx context.Context, device calms.DeviceID) ([]wire.Channel, error) {
	lists, err := readLists(ctx, h.db.Read(), device)
	if err != nil {
		return nil, calms.Wrap("list channels", err)
	}
	ids := make([]int64, 0, len(lists))
	for id := range lists {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	newest := map[string]wire.Channel{}
	for _, id := range ids {
		for _, c := range lists[id] {
			newest[c.Name] = c
		}
	}
	channels := make([]wire.Channel, 0, len(newest))
	for _, c := range newest {
		channels = append(channels, c)
	}
	slices.SortFunc(channels, func(a, b wire.Channel) int { return strings.Compare(a.Name, b.Name) })
	return channels, nil
}
