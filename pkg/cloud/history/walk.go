package history

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// window is how much of a channel is looked at at once: it bounds memory.
const window = int64(24 * time.Hour)

// Walk calls f with every sample of a channel in [from, to), UTC nanoseconds, in
// the order of time. Of several samples of one time the one of the later journal
// generation, then of the higher number, is given; the others are counted as
// losers. It reads one moment of the database and stops at f's first error.
func (h *History) Walk(ctx context.Context, device calms.DeviceID, channel string, from, to int64, f func(calms.Sample) error) (losers uint64, err error) {
	from, to = clamp(from, to)
	err = h.db.View(ctx, func(tx store.Tx) error {
		r, err := h.reader(ctx, tx, device, channel)
		if err != nil {
			return err
		}
		for from < to {
			// Where there is nothing for a while, go to where there is something.
			next, ok, err := r.next(from)
			if err != nil || !ok || next >= to {
				return err
			}
			from = max(from, next)
			end := to
			if to-from > window {
				end = from + window
			}
			samples, lost, err := r.read(from, end)
			if err != nil {
				return err
			}
			losers += lost
			for _, s := range samples {
				if err := f(s); err != nil {
					return err
				}
			}
			from = end
		}
		return nil
	})
	return losers, err
}

// clamp keeps a range within what [MaxTime] allows, so that no sum of times can
// overflow.
func clamp(from, to int64) (int64, int64) { return max(from, -MaxTime), min(to, MaxTime) }

// reader reads one channel of one device within one transaction.
type reader struct {
	ctx     context.Context
	tx      store.Tx
	codec   *batch.Codec
	device  calms.DeviceID
	columns map[int64]int // channel list → index of the channel in it
	boots   []boot
}

// boot is one boot of the device that an anchor places in time.
type boot struct {
	id     []byte
	span   int64 // longest batch
	offset int64 // UTC minus monotonic time
}

func (h *History) reader(ctx context.Context, tx store.Tx, device calms.DeviceID, channel string) (*reader, error) {
	r := &reader{ctx: ctx, tx: tx, codec: h.codec, device: device, columns: map[int64]int{}}
	lists, err := readLists(ctx, tx, device)
	if err != nil {
		return nil, err
	}
	for id, channels := range lists {
		if i := slices.IndexFunc(channels, func(c wire.Channel) bool { return c.Name == channel }); i >= 0 {
			r.columns[id] = i
		}
	}
	return r, r.readBoots()
}

func readLists(ctx context.Context, tx store.Tx, device calms.DeviceID) (map[int64][]wire.Channel, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, channels FROM channel_lists WHERE device = $1`, string(device))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	lists := map[int64][]wire.Channel{}
	for rows.Next() {
		var id int64
		var encoded []byte
		if err := rows.Scan(&id, &encoded); err != nil {
			return nil, err
		}
		var channels []wire.Channel
		if err := wire.Decode("channel list", encoded, &channels); err != nil {
			return nil, err
		}
		lists[id] = channels
	}
	return lists, rows.Err()
}

func (r *reader) readBoots() error {
	rows, err := r.tx.QueryContext(r.ctx, `SELECT boot, span, placed FROM boots WHERE device = $1 AND placed IS NOT NULL`, string(r.device))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var b boot
		if err := rows.Scan(&b.id, &b.span, &b.offset); err != nil {
			return err
		}
		r.boots = append(r.boots, b)
	}
	return rows.Err()
}

// since is the lowest first time, on the boot's clock, that a batch with samples
// at or after utc can have.
func (b boot) since(utc int64) int64 { return utc - b.offset - b.span }

// next is a time at or before which no sample of the device lies in [from, …),
// false where there is none at all. The channel itself may begin later.
func (r *reader) next(from int64) (at int64, ok bool, err error) {
	for _, b := range r.boots {
		var first sql.NullInt64
		err := r.tx.QueryRowContext(r.ctx, `SELECT MIN(first) FROM batches WHERE device = $1 AND boot = $2 AND first >= $3`,
			string(r.device), b.id, b.since(from)).Scan(&first)
		if err != nil {
			return 0, false, err
		}
		if first.Valid && (!ok || first.Int64+b.offset < at) {
			at, ok = first.Int64+b.offset, true
		}
	}
	return at, ok, nil
}

// last is a time after which no sample of the device lies.
func (r *reader) last() (at int64, ok bool, err error) {
	for _, b := range r.boots {
		var first sql.NullInt64
		err := r.tx.QueryRowContext(r.ctx, `SELECT MAX(first) FROM batches WHERE device = $1 AND boot = $2`, string(r.device), b.id).Scan(&first)
		if err != nil {
			return 0, false, err
		}
		if first.Valid {
			at, ok = max(at, first.Int64+b.span+b.offset+1), true
		}
	}
	return at, ok, nil
}

// ranked is a sample with what decides between two of one time.
type ranked struct {
	calms.Sample
	generation, number uint64
}

// read returns the channel's samples in [from, to) in the order of time, and how
// many lost against another of the same time.
func (r *reader) read(from, to int64) (samples []calms.Sample, losers uint64, err error) {
	var all []ranked
	for _, b := range r.boots {
		if all, err = r.readBoot(all, b, from, to); err != nil {
			return nil, 0, err
		}
	}
	slices.SortFunc(all, func(x, y ranked) int {
		return cmp.Or(cmp.Compare(x.Time, y.Time), cmp.Compare(x.generation, y.generation), cmp.Compare(x.number, y.number))
	})
	for i, s := range all {
		if i+1 < len(all) && all[i+1].Time == s.Time {
			losers++ // the last of a time wins
			continue
		}
		samples = append(samples, s.Sample)
	}
	return samples, losers, nil
}

func (r *reader) readBoot(all []ranked, b boot, from, to int64) ([]ranked, error) {
	rows, err := r.tx.QueryContext(r.ctx, `SELECT b.channels, b.number, b.batch, j.generation FROM batches b JOIN journals j ON j.id = b.journal
		WHERE b.device = $1 AND b.boot = $2 AND b.first >= $3 AND b.first < $4 AND b.last >= $5`,
		string(r.device), b.id, b.since(from), to-b.offset, from-b.offset)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var list int64
		var rank ranked
		var encoded []byte
		if err := rows.Scan(&list, &rank.number, &encoded, &rank.generation); err != nil {
			return nil, err
		}
		index, ok := r.columns[list]
		if !ok {
			continue
		}
		decoded, err := r.codec.Decode(encoded)
		if err != nil {
			return nil, calms.Wrap("read batch", err)
		}
		all = rank.take(all, &decoded, index, b.offset, from, to)
	}
	return all, rows.Err()
}

// take appends the samples of one channel that lie in [from, to) in UTC.
func (rank ranked) take(all []ranked, b *batch.Batch, channel int, offset, from, to int64) []ranked {
	for i := range b.Columns {
		column := &b.Columns[i]
		if column.Channel != channel {
			continue
		}
		for k := range column.Len() {
			rank.Sample = column.At(k)
			rank.Time += offset
			if rank.Time >= from && rank.Time < to {
				all = append(all, rank)
			}
		}
	}
	return all
}
