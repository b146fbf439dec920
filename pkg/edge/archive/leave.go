package archive

import (
	"context"

	"go.calms.com/calms/pkg/wire"
)

// reasonObject is the word for entries that are whole themselves.
const reasonObject = "object lost"

// journalWriter writes one journal. What must be left out is gathered into one
// range as long as it goes on.
type journalWriter struct {
	*writer
	held  wire.Held
	total uint64     // samples up to the last entry that was seen
	gap   *wire.Loss // not written yet
	why   string     // of gap, for people
}

func (j *journalWriter) entries(ctx context.Context, entries []wire.Entry) error {
	for _, e := range entries {
		if err := j.entry(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// entry writes an entry after the objects that it needs, or leaves it out where
// they cannot be had.
func (j *journalWriter) entry(ctx context.Context, e wire.Entry) error {
	j.total = e.Total
	needed, err := j.objects.need(ctx, e)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		j.leaveOut(wire.Loss{First: e.Number, Last: e.Number, Hash: e.Hash(j.held.Journal), Total: e.Total, Reason: reasonObject})
		j.why = reasonObject + ": " + err.Error()
		return nil
	}
	if err := j.flush(); err != nil {
		return err
	}
	for _, object := range needed {
		if err := j.record(record{Kind: recordObject, Object: object}); err != nil {
			return err
		}
		j.counts.Objects++
	}
	j.counts.Entries++
	return j.record(record{Kind: recordEntry, Entry: e})
}

// lose writes a range that the journal itself does not hold.
func (j *journalWriter) lose(l wire.Loss) error {
	j.total = l.Total
	if err := j.flush(); err != nil {
		return err
	}
	return j.record(record{Kind: recordLoss, Loss: l})
}

// leaveOut adds what follows the range that is gathered to it.
func (j *journalWriter) leaveOut(l wire.Loss) {
	if j.gap != nil {
		l.First = j.gap.First
	}
	j.gap, j.why = &l, l.Reason
}

// flush writes the range that was gathered.
func (j *journalWriter) flush() error {
	if j.gap == nil {
		return nil
	}
	gone := *j.gap
	j.gap = nil
	j.counts.LeftOut = append(j.counts.LeftOut, LeftOut{j.held.Journal.Name(), gone.First, gone.Last, j.why})
	return j.record(record{Kind: recordLoss, Loss: gone})
}
