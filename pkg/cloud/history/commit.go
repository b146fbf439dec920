package history

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/crash"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// Commit stores consecutive entries of one journal and moves its cursor, in one
// transaction: it has happened durably when Commit returns without error, and
// not at all otherwise. The cursor in the transaction decides what is new, so
// that two workers cannot both store an entry.
func (h *History) Commit(ctx context.Context, id wire.JournalID, steps []replica.Step, objects []replica.Object) (replica.Outcome, error) {
	var out replica.Outcome
	err := h.db.Update(ctx, func(tx store.Tx) error {
		out = replica.Outcome{}
		c, err := openCommit(ctx, tx, id)
		if err != nil {
			return err
		}
		for i := range steps {
			if !c.accept(&out, steps[i].Number, steps[i].Prev) {
				if out.Forked {
					if err := c.quarantine(steps[i]); err != nil {
						return err
					}
					break
				}
				continue
			}
			if err := c.store(&out, &steps[i]); err != nil {
				return err
			}
		}
		if out.Stored > 0 {
			if err := c.putObjects(objects); err != nil {
				return err
			}
		}
		if err := c.close(&out); err != nil {
			return err
		}
		crash.At("history.written")
		return nil
	})
	if err != nil {
		return replica.Outcome{}, calms.Wrap("commit entries", err)
	}
	crash.At("history.committed")
	h.tell(id.Device, steps, out)
	return out, nil
}

// CommitGap moves the cursor to the end of a gap that begins at cursor+1. A gap
// that ends at or below the cursor is a duplicate, one that begins above it is
// ahead.
func (h *History) CommitGap(ctx context.Context, id wire.JournalID, gap replica.Gap) (replica.Outcome, error) {
	var out replica.Outcome
	err := h.db.Update(ctx, func(tx store.Tx) error {
		out = replica.Outcome{}
		c, err := openCommit(ctx, tx, id)
		if err != nil {
			return err
		}
		switch {
		case gap.Last <= c.Number || gap.First <= c.Number:
			// The second case is a gap that was told before the cursor moved into it;
			// the edge will be asked again, from where the cursor is.
			out.Duplicates++
			out.Ahead = gap.Last > c.Number
		case gap.First > c.Number+1:
			out.Ahead = true
		default:
			if err := c.storeGap(&out, gap); err != nil {
				return err
			}
		}
		return c.close(&out)
	})
	if err != nil {
		return replica.Outcome{}, calms.Wrap("commit gap", err)
	}
	return out, nil
}

// commit is one running transaction on one journal.
type commit struct {
	replica.Cursor
	ctx     context.Context
	tx      store.Tx
	id      wire.JournalID
	row     int64 // journals.id
	before  replica.Cursor
	samples uint64 // stored by this commit
}

func openCommit(ctx context.Context, tx store.Tx, id wire.JournalID) (*commit, error) {
	c := &commit{ctx: ctx, tx: tx, id: id}
	var err error
	if c.row, c.Cursor, err = readCursor(ctx, tx, id); errors.Is(err, sql.ErrNoRows) {
		c.row, err = insertJournal(ctx, tx, id)
	}
	c.before = c.Cursor
	return c, err
}

func readCursor(ctx context.Context, tx store.Tx, id wire.JournalID) (row int64, c replica.Cursor, err error) {
	var hash []byte
	err = tx.QueryRowContext(ctx, `SELECT id, cursor, hash, total, covered FROM journals
		WHERE device = $1 AND generation = $2 AND random = $3`, string(id.Device), id.Generation, id.Random[:]).
		Scan(&row, &c.Number, &hash, &c.Total, &c.Covered)
	copy(c.Hash[:], hash)
	return row, c, err
}

func insertJournal(ctx context.Context, tx store.Tx, id wire.JournalID) (row int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO journals
		(device, generation, random, cursor, hash, total, samples, head, oldest, held, covered, last_entry)
		VALUES ($1, $2, $3, 0, $4, 0, 0, 0, 0, 0, 0, 0) RETURNING id`,
		string(id.Device), id.Generation, id.Random[:], make([]byte, len(wire.Hash{}))).Scan(&row)
	return row, err
}

// quarantine names the branch of an entry that is refused because it does not
// follow the cursor's.
func (c *commit) quarantine(s replica.Step) error {
	return state(c.ctx, c.tx, wire.Statement{Kind: wire.StatementBranch, Journal: c.id, Number: s.Number, Hash: s.Hash, Reason: "it does not follow the entry before it"})
}

// accept decides on one entry by the rules of the cursor.
func (c *commit) accept(out *replica.Outcome, number uint64, prev wire.Hash) bool {
	switch {
	case out.Ahead || out.Forked:
		return false
	case number <= c.Number:
		out.Duplicates++
		return false
	case number > c.Number+1:
		out.Ahead = true
		return false
	case prev != c.Hash:
		out.Forked = true
		return false
	}
	return true
}

func (c *commit) store(out *replica.Outcome, s *replica.Step) error {
	if s.Batch != nil {
		if err := c.storeBatch(s); err != nil {
			return err
		}
		out.Samples += s.Batch.Samples()
		c.samples += uint64(s.Batch.Samples())
	} else if err := c.storeNote(s); err != nil {
		return err
	}
	out.Stored++
	c.Number, c.Hash, c.Total = s.Number, s.Hash, s.Total
	return nil
}

func (c *commit) storeBatch(s *replica.Step) error {
	list, err := c.channelList(s.Channels)
	if err != nil {
		return err
	}
	first, last := s.Batch.Span()
	if first < -MaxTime || last > MaxTime || last-first > MaxSpan {
		return calms.Errorf(calms.KindInvalid, "batch %d spans %d to %d, which is out of bounds", s.Number, first, last)
	}
	if _, err := c.tx.ExecContext(c.ctx, `INSERT INTO boots (device, boot, span) VALUES ($1, $2, $3)
		ON CONFLICT (device, boot) DO UPDATE SET span = excluded.span WHERE excluded.span > boots.span`,
		string(c.id.Device), s.Batch.Boot[:], last-first); err != nil {
		return err
	}
	_, err = c.tx.ExecContext(c.ctx, `INSERT INTO batches (device, boot, first, last, journal, number, channels, samples, batch)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		string(c.id.Device), s.Batch.Boot[:], first, last, c.row, s.Number, list, s.Batch.Samples(), s.Content)
	return err
}

// channelList is the id of a list of channels, which is stored once.
func (c *commit) channelList(channels []wire.Channel) (id int64, err error) {
	encoded := wire.Encode(channels)
	hash := sha256.Sum256(encoded)
	err = c.tx.QueryRowContext(c.ctx, `SELECT id FROM channel_lists WHERE device = $1 AND hash = $2`, string(c.id.Device), hash[:]).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = c.tx.QueryRowContext(c.ctx, `INSERT INTO channel_lists (device, hash, channels) VALUES ($1, $2, $3) RETURNING id`,
			string(c.id.Device), hash[:], encoded).Scan(&id)
	}
	return id, err
}

func (c *commit) storeNote(s *replica.Step) error {
	if _, err := c.tx.ExecContext(c.ctx, `INSERT INTO notes (journal, number, kind, content) VALUES ($1, $2, $3, $4)`,
		c.row, s.Number, s.Kind, s.Content); err != nil {
		return err
	}
	if s.Anchor == nil {
		return nil
	}
	if s.Anchor.UTC < -MaxTime || s.Anchor.UTC > MaxTime || s.Anchor.Mono < -MaxTime || s.Anchor.Mono > MaxTime || s.Anchor.Error < 0 {
		return calms.Errorf(calms.KindInvalid, "anchor %d is out of bounds", s.Number)
	}
	// The anchor with the smallest error places the boot; of equal ones the first.
	_, err := c.tx.ExecContext(c.ctx, `INSERT INTO boots (device, boot, span, placed, error) VALUES ($1, $2, 0, $3, $4)
		ON CONFLICT (device, boot) DO UPDATE SET placed = excluded.placed, error = excluded.error
		WHERE boots.error IS NULL OR excluded.error < boots.error`,
		string(c.id.Device), s.Anchor.Boot[:], s.Anchor.Offset(), s.Anchor.Error)
	return err
}

func (c *commit) storeGap(out *replica.Outcome, gap replica.Gap) error {
	if gap.Last < gap.First {
		return calms.Errorf(calms.KindInvalid, "gap %d to %d ends before it begins", gap.First, gap.Last)
	}
	// An edge whose disk is damaged may count wrongly; it must not be stuck for it.
	gap.Total = max(gap.Total, c.Total)
	out.Lost = gap.Total - c.Total
	if _, err := c.tx.ExecContext(c.ctx, `INSERT INTO gaps (journal, first, last, samples, since, until, reason, stored) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		c.row, gap.First, gap.Last, out.Lost, gap.Since, gap.Until, gap.Reason, time.Now().UnixNano()); err != nil {
		return err
	}
	c.Number, c.Hash, c.Total = gap.Last, gap.Hash, gap.Total
	return nil
}

func (c *commit) putObjects(objects []replica.Object) error {
	for _, o := range objects {
		if _, err := c.tx.ExecContext(c.ctx, `INSERT INTO objects (device, name, object) VALUES ($1, $2, $3) ON CONFLICT (device, name) DO NOTHING`,
			string(c.id.Device), o.Name[:], o.Content); err != nil {
			return err
		}
	}
	return nil
}

// close writes the cursor where it moved.
func (c *commit) close(out *replica.Outcome) error {
	out.Cursor = c.Cursor
	if c.Cursor == c.before {
		return nil
	}
	moved, err := c.tx.ExecContext(c.ctx, `UPDATE journals SET cursor = $1, hash = $2, total = $3,
		samples = samples + $4, head = CASE WHEN head < $1 THEN $1 ELSE head END, last_entry = $5 WHERE id = $6 AND cursor = $7`,
		c.Number, c.Hash[:], c.Total, c.samples, time.Now().UnixNano(), c.row, c.before.Number)
	if err != nil {
		return err
	}
	if n, err := moved.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, calms.Errorf(calms.KindConflict, "the cursor of %s moved meanwhile", c.id))
	}
	return nil
}
