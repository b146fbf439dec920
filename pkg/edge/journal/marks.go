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
	blind   bool // the generation was chosen without knowing what the cloud remembers
	epoch   calms.Epoch
	cursor  map[uint64]uint64 // by generation
	covered map[uint64]uint64
}

func newMarks() marks {
	return marks{cursor: map[uint64]uint64{}, covered: map[uint64]uint64{}}
}

// Names in the meta table.
const (
	metaEpoch = "epoch"
	metaBlind = "blind"
)

func (m *marks) load(ctx context.Context, tx store.Tx) error {
	*m = newMarks()
	epoch, err := readMeta(ctx, tx, metaEpoch)
	if err != nil {
		return err
	}
	copy(m.epoch[:], epoch)
	blind, err := readMeta(ctx, tx, metaBlind)
	if err != nil {
		return err
	}
	m.blind = len(blind) > 0
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
	if err := writeMeta(ctx, tx, metaEpoch, m.epoch[:]); err != nil {
		return err
	}
	blind := []byte{}
	if m.blind {
		blind = []byte{1}
	}
	if err := writeMeta(ctx, tx, metaBlind, blind); err != nil {
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

func readMeta(ctx context.Context, tx store.Tx, name string) (value []byte, err error) {
	err = tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = $1`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

func writeMeta(ctx context.Context, tx store.Tx, name string, value []byte) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// Blind reports whether the current generation was chosen by a device that had
// lost its memory, so that the cloud may know a larger one.
func (j *Journal) Blind() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.marks.blind
}

// Sighted ends being blind: the cloud has said what it remembers.
func (j *Journal) Sighted() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.marks.blind {
		j.marks.blind, j.marks.dirty = false, true
	}
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
	for generation := range j.marks.cursor {
		j.marks.cursor[generation], j.marks.covered[generation] = 0, 0
	}
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
