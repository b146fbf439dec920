package journal

import (
	"context"
	"fmt"

	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// evictAtLeast is the share of the limit that one eviction frees, so that not
// every append evicts.
const evictAtLeast = 64

// reasonEvicted is the ledger's word for entries that the size limit took.
const reasonEvicted = "evicted"

// makeRoom drops the oldest entries where the file uses more than its limit.
func (j *Journal) makeRoom(ctx context.Context, tx store.Tx) (evicted bool, err error) {
	used, err := usedBytes(ctx, tx)
	if err != nil || used <= j.options.Limit {
		return false, err
	}
	return j.evict(ctx, tx, used-j.options.Limit+j.options.Limit/evictAtLeast)
}

// usedBytes is what the pages in use take on disk; freed pages are used again.
func usedBytes(ctx context.Context, tx store.Tx) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT (c.page_count - f.freelist_count) * s.page_size
		FROM pragma_page_count c, pragma_freelist_count f, pragma_page_size s`).Scan(&n)
	return n, err
}

// Evict drops the oldest entries until at least want bytes of them are gone or
// only the newest is left, as the size limit does.
func (j *Journal) Evict(ctx context.Context, want int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.db.Update(ctx, func(tx store.Tx) error {
		_, err := j.evict(ctx, tx, want)
		return err
	})
	if err != nil {
		return err
	}
	return j.loadObjects(ctx)
}

func (j *Journal) evict(ctx context.Context, tx store.Tx, want int64) (evicted bool, err error) {
	for want > 0 {
		freed, err := evictOldest(ctx, tx, j.head.id, want)
		if err != nil {
			return false, fmt.Errorf("evict: %w", err)
		}
		if freed == 0 {
			break
		}
		want -= freed
		evicted = true
	}
	if !evicted {
		return false, nil
	}
	return true, dropObjects(ctx, tx)
}

// loss is one range of the ledger, or one that grows towards it.
type loss struct {
	generation   uint64
	first, last  uint64
	hash         wire.Hash // of entry last
	total        uint64    // samples up to and with entry last
	since, until int64     // UTC nanoseconds, 0 where unknown
	reason       string
}

// evictOldest drops entries of the oldest journal that holds any, up to want
// bytes, and notes them in the ledger.
func evictOldest(ctx context.Context, tx store.Tx, current wire.JournalID, want int64) (freed int64, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT e.generation, e.number, e.since, e.until, e.entry, j.random, j.head FROM entries e
		JOIN journals j ON j.generation = e.generation
		WHERE e.generation = (SELECT MIN(generation) FROM entries) ORDER BY e.number`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	gone := loss{reason: reasonEvicted}
	unreadable := uint64(0) // the oldest entry, where it is damaged
	id := wire.JournalID{Device: current.Device}
	for freed < want && rows.Next() {
		var number, head uint64
		var since, until int64
		var encoded, random []byte
		if err := rows.Scan(&id.Generation, &number, &since, &until, &encoded, &random, &head); err != nil {
			return 0, err
		}
		if id.Generation == current.Generation && number == head {
			break // the newest entry proves where the journal ends
		}
		copy(id.Random[:], random)
		if !gone.take(id, number, since, until, encoded) {
			if gone.first == 0 {
				unreadable = number
			}
			break
		}
		freed += int64(len(encoded))
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	rows.Close()
	if freed > 0 {
		return freed, lose(ctx, tx, gone)
	}
	if unreadable == 0 {
		return 0, nil
	}
	damaged, err := findDamage(ctx, tx, id, unreadable)
	if err != nil || damaged == nil {
		return 0, err
	}
	return 1, lose(ctx, tx, *damaged) // how much it freed will show
}

// lose drops a range of entries and notes it in the ledger.
func lose(ctx context.Context, tx store.Tx, gone loss) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM entries WHERE generation = $1 AND number BETWEEN $2 AND $3`, gone.generation, gone.first, gone.last); err != nil {
		return err
	}
	return writeLoss(ctx, tx, gone)
}

// take adds the next entry to the range, or reports false where it does not
// follow or cannot be read.
func (l *loss) take(id wire.JournalID, number uint64, since, until int64, encoded []byte) bool {
	if l.first != 0 && number != l.last+1 {
		return false
	}
	var e wire.Entry
	if wire.Decode("entry", encoded, &e) != nil {
		return false // its hash stands in the entry after it
	}
	if l.first == 0 {
		l.generation, l.first, l.since = id.Generation, number, since
	}
	if l.since == 0 {
		l.since = since
	}
	l.last, l.hash, l.total = number, e.Hash(id), e.Total
	l.until = max(l.until, until)
	return true
}

// writeLoss adds a range to the ledger, joined with the one it follows where
// that was lost for the same reason.
func writeLoss(ctx context.Context, tx store.Tx, l loss) error {
	joined, err := tx.ExecContext(ctx, `UPDATE lost SET last = $1, hash = $2, total = $3, until = MAX(until, $4)
		WHERE generation = $5 AND last = $6 AND reason = $7`,
		l.last, l.hash[:], l.total, l.until, l.generation, l.first-1, l.reason)
	if err != nil {
		return err
	}
	if n, err := joined.RowsAffected(); err != nil || n > 0 {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO lost (generation, first, last, hash, total, since, until, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		l.generation, l.first, l.last, l.hash[:], l.total, l.since, l.until, l.reason)
	return err
}

// dropObjects deletes the objects that no held entry names any more. Objects
// note the newest entry that names them, and the oldest entries go first.
func dropObjects(ctx context.Context, tx store.Tx) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM objects WHERE NOT EXISTS (SELECT 1 FROM entries e
		WHERE e.generation < objects.generation OR (e.generation = objects.generation AND e.number <= objects.number))`)
	return err
}
