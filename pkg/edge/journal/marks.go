package journal

import (
	"context"
	"database/sql"
	"errors"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// marks are what the cloud said. They decide nothing but whether an eviction is
// a loss, and can be learnt again from the next welcome, so they reach the disk
// with the next entry instead of costing a write of their own.
type marks struct {
	dirty   bool
	epoch   calms.Epoch
	cursor  map[uint64]uint64 // by generation
	covered map[uint64]uint64
}

func newMarks() marks {
	return marks{cursor: map[uint64]uint64{}, covered: map[uint64]uint64{}}
}

const metaEpoch = "epoch"

func (m *marks) load(ctx context.Context, tx store.Tx) error {
	*m = newMarks()
	var epoch []byte
	err := tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = $1`, metaEpoch).Scan(&epoch)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	copy(m.epoch[:], epoch)
	rows, err := tx.QueryContext(ctx, `SELECT generation, cursor, covered FROM journals`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var generation, cursor, covered uint64
		if err := rows.Scan(&generation, &cursor, &covered); err != nil {
			return err
		}
		m.cursor[generation], m.covered[generation] = cursor, covered
	}
	return rows.Err()
}

func (m *marks) write(ctx context.Context, tx store.Tx) error {
	if !m.dirty {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, metaEpoch, m.epoch[:]); err != nil {
		return err
	}
	for generation, cursor := range m.cursor {
		if _, err := tx.ExecContext(ctx, `UPDATE journals SET cursor = $1, covered = $2 WHERE generation = $3 AND (cursor <> $1 OR covered <> $2)`,
			cursor, m.covered[generation], generation); err != nil {
			return err
		}
	}
	return nil
}

// Epoch is the cloud's epoch as of the last welcome, zero before the first.
func (j *Journal) Epoch() calms.Epoch {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.marks.epoch
}

// SetEpoch notes the cloud's epoch. Another one than before forgets all
// acknowledgements.
func (j *Journal) SetEpoch(epoch calms.Epoch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if epoch == j.marks.epoch {
		return
	}
	j.marks = newMarks()
	j.marks.epoch, j.marks.dirty = epoch, true
}

// Acknowledge notes the cloud's cursor in one journal, and up to where its
// newest snapshot covers it.
func (j *Journal) Acknowledge(generation, cursor, covered uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.marks.cursor[generation] == cursor && j.marks.covered[generation] == covered {
		return
	}
	j.marks.cursor[generation], j.marks.covered[generation] = cursor, covered
	j.marks.dirty = true
}
