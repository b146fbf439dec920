package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// Position is the cursor of a journal; the zero cursor where it is not known.
func (h *History) Position(ctx context.Context, id wire.JournalID) (replica.Cursor, error) {
	_, c, err := readCursor(ctx, h.db.Read(), id)
	if errors.Is(err, sql.ErrNoRows) {
		return replica.Cursor{}, nil
	}
	return c, calms.Wrap("read cursor", err)
}

// Journals lists the journals of a device, or of all where device is empty, by
// device and generation.
func (h *History) Journals(ctx context.Context, device calms.DeviceID) ([]replica.Journal, error) {
	rows, err := h.db.Read().QueryContext(ctx, `SELECT device, generation, random, cursor, hash, total, covered,
		samples, head, held, oldest, last_entry FROM journals WHERE $1 = '' OR device = $1 ORDER BY device, generation, id`, string(device))
	if err != nil {
		return nil, calms.Wrap("list journals", err)
	}
	defer rows.Close()
	var journals []replica.Journal
	for rows.Next() {
		var j replica.Journal
		var hash, random []byte
		if err := rows.Scan(&j.ID.Device, &j.ID.Generation, &random, &j.Cursor.Number, &hash, &j.Cursor.Total, &j.Cursor.Covered,
			&j.Samples, &j.Head, &j.Held, &j.Oldest, &j.LastEntry); err != nil {
			return nil, calms.Wrap("list journals", err)
		}
		copy(j.ID.Random[:], random)
		copy(j.Cursor.Hash[:], hash)
		journals = append(journals, j)
	}
	if err := rows.Err(); err != nil {
		return nil, calms.Wrap("list journals", err)
	}
	return journals, h.nameBranches(ctx, device, journals)
}

// nameBranches says of journals which branches of them are refused.
func (h *History) nameBranches(ctx context.Context, device calms.DeviceID, journals []replica.Journal) error {
	statements, err := h.Statements(ctx, device)
	if err != nil {
		return err
	}
	for i := range journals {
		for _, s := range statements {
			if s.Kind == wire.StatementBranch && s.Journal == journals[i].ID {
				journals[i].Forked = fmt.Sprintf("forked: a branch that ends at entry %d is refused", s.Number)
			}
		}
	}
	return nil
}

// Seen notes what an edge said of its journals in a hello. A journal only grows,
// so a hello that knows less of one than is known already is an old one again,
// or of somebody who holds a part of it, and says nothing about it.
func (h *History) Seen(ctx context.Context, held []wire.Held, statements []wire.Statement) error {
	err := h.db.Update(ctx, func(tx store.Tx) error {
		for _, s := range statements {
			if err := state(ctx, tx, s); err != nil {
				return err
			}
		}
		for _, j := range held {
			c, err := openCommit(ctx, tx, j.Journal)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE journals SET head = $1, held = $2, oldest = $3 WHERE id = $4 AND head <= $5`,
				j.Last, j.First, j.Oldest, c.row, j.Last); err != nil {
				return err
			}
		}
		return nil
	})
	return calms.Wrap("note hello", err)
}

// state keeps a statement, once.
func state(ctx context.Context, tx store.Tx, s wire.Statement) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO statements (device, kind, generation, random, number, hash, reason, stored)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		string(s.Journal.Device), s.Kind, s.Journal.Generation, s.Journal.Random[:], s.Number, s.Hash[:], s.Reason, time.Now().UnixNano())
	return err
}

// Statements lists what is known about the ends of a device's journals, or of
// all where device is empty.
func (h *History) Statements(ctx context.Context, device calms.DeviceID) ([]wire.Statement, error) {
	rows, err := h.db.Read().QueryContext(ctx, `SELECT device, kind, generation, random, number, hash, reason FROM statements
		WHERE $1 = '' OR device = $1 ORDER BY device, generation, random, kind, number, hash`, string(device))
	if err != nil {
		return nil, calms.Wrap("list statements", err)
	}
	defer rows.Close()
	var statements []wire.Statement
	for rows.Next() {
		var s wire.Statement
		var random, hash []byte
		if err := rows.Scan(&s.Journal.Device, &s.Kind, &s.Journal.Generation, &random, &s.Number, &hash, &s.Reason); err != nil {
			return nil, calms.Wrap("list statements", err)
		}
		copy(s.Journal.Random[:], random)
		copy(s.Hash[:], hash)
		statements = append(statements, s)
	}
	return statements, calms.Wrap("list statements", rows.Err())
}

// StoredGap is a gap of the ledger.
type StoredGap struct {
	Journal wire.JournalID
	replica.Gap
	Samples uint64 // that are lost
	Stored  int64  // UTC nanoseconds at which it was stored
}

// Gaps lists the gap ledger of a device, or of all where device is empty.
func (h *History) Gaps(ctx context.Context, device calms.DeviceID) ([]StoredGap, error) {
	rows, err := h.db.Read().QueryContext(ctx, `SELECT j.device, j.generation, j.random, g.first, g.last, g.samples, g.since, g.until, g.reason, g.stored
		FROM gaps g JOIN journals j ON j.id = g.journal WHERE $1 = '' OR j.device = $1 ORDER BY j.device, j.generation, j.id, g.first`, string(device))
	if err != nil {
		return nil, calms.Wrap("list gaps", err)
	}
	defer rows.Close()
	var gaps []StoredGap
	for rows.Next() {
		var g StoredGap
		var random []byte
		if err := rows.Scan(&g.Journal.Device, &g.Journal.Generation, &random, &g.First, &g.Last, &g.Samples, &g.Since, &g.Until, &g.Reason, &g.Stored); err != nil {
			return nil, calms.Wrap("list gaps", err)
		}
		copy(g.Journal.Random[:], random)
		gaps = append(gaps, g)
	}
	return gaps, calms.Wrap("list gaps", rows.Err())
}

// Object returns a session object of a device, of kind not-found where it was
// never stored.
func (h *History) Object(ctx context.Context, device calms.DeviceID, name wire.Hash) ([]byte, error) {
	var object []byte
	err := h.db.Read().QueryRowContext(ctx, `SELECT object FROM objects WHERE device = $1 AND name = $2`, string(device), name[:]).Scan(&object)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, calms.Errorf(calms.KindNotFound, "object %s of %s is not known", name, device)
	}
	return object, calms.Wrap("read object", err)
}

// Mark is the cursor of one journal at the moment of a snapshot.
type Mark struct {
	Journal wire.JournalID
	Number  uint64
}

// Marks reads the cursors of all journals; call it in the transaction that the
// snapshot reads.
func Marks(ctx context.Context, tx store.Tx) ([]Mark, error) {
	rows, err := tx.QueryContext(ctx, `SELECT device, generation, random, cursor FROM journals ORDER BY id`)
	if err != nil {
		return nil, calms.Wrap("read cursors", err)
	}
	defer rows.Close()
	var marks []Mark
	for rows.Next() {
		var m Mark
		var random []byte
		if err := rows.Scan(&m.Journal.Device, &m.Journal.Generation, &random, &m.Number); err != nil {
			return nil, calms.Wrap("read cursors", err)
		}
		copy(m.Journal.Random[:], random)
		marks = append(marks, m)
	}
	return marks, calms.Wrap("read cursors", rows.Err())
}

// Cover notes that a repository holds a complete snapshot with these cursors.
func (h *History) Cover(ctx context.Context, marks []Mark) error {
	err := h.db.Update(ctx, func(tx store.Tx) error {
		for _, m := range marks {
			if _, err := tx.ExecContext(ctx, `UPDATE journals SET covered = $1 WHERE device = $2 AND generation = $3 AND random = $4`,
				m.Number, string(m.Journal.Device), m.Journal.Generation, m.Journal.Random[:]); err != nil {
				return err
			}
		}
		return nil
	})
	return calms.Wrap("note snapshot", err)
}

// CoverAll notes that the snapshot that this database was restored from covers
// all that is in it.
func (h *History) CoverAll(ctx context.Context) error {
	err := h.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE journals SET covered = cursor`)
		return err
	})
	return calms.Wrap("note snapshot", err)
}

// Size is the database's size on disk in bytes and the samples in it.
func (h *History) Size(ctx context.Context) (bytes int64, samples uint64, err error) {
	tx := h.db.Read()
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(SUM(samples), 0) FROM journals`).Scan(&samples); err != nil {
		return 0, 0, calms.Wrap("read size", err)
	}
	bytes, err = h.db.Size(ctx)
	return bytes, samples, calms.Wrap("read size", err)
}
