// Package history keeps what the fleet measured, and the cursors that say up to
// where. It commits entries and the cursor of their journal in one transaction
// or not at all, and reads channels back in the order of time.
//
// Batches are stored as they came: their times count a boot's monotonic clock,
// and the boot's best anchor places them in UTC when they are read.
package history

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// History is the store of samples, cursors and gaps. It is safe for concurrent
// use.
type History struct {
	db    *store.DB
	codec *batch.Codec
	tails tails

	mu    sync.Mutex // guards epoch
	epoch calms.Epoch
}

// Bounds of what is taken: times of either clock in nanoseconds (some 146 years
// around 1970 or the boot), and the time from a batch's first sample to its last.
const (
	MaxTime = int64(1) << 62
	MaxSpan = int64(366 * 24 * time.Hour)
)

const metaEpoch = "epoch"

// Open opens the database at path, or makes it and draws its epoch.
func Open(ctx context.Context, path string) (*History, error) {
	codec, err := batch.NewCodec()
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, path, Migrations())
	if err != nil {
		return nil, err
	}
	h := &History{db: db, codec: codec}
	if err := h.loadEpoch(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return h, nil
}

// Close waits for running transactions.
func (h *History) Close() error { return h.db.Close() }

// DB is the database, for backup.
func (h *History) DB() *store.DB { return h.db }

// Epoch is the random id of this database's life: it was drawn when the
// database was made or last restored.
func (h *History) Epoch() calms.Epoch {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.epoch
}

// NewEpoch draws another epoch, after a restore.
func (h *History) NewEpoch(ctx context.Context) (calms.Epoch, error) {
	epoch := calms.NewEpoch()
	err := h.db.Update(ctx, func(tx store.Tx) error { return putEpoch(ctx, tx, epoch) })
	if err != nil {
		return calms.Epoch{}, calms.Wrap("draw epoch", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch = epoch
	return epoch, nil
}

func putEpoch(ctx context.Context, tx store.Tx, epoch calms.Epoch) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, metaEpoch, epoch.String())
	return err
}

func (h *History) loadEpoch(ctx context.Context) error {
	var text string
	err := h.db.Read().QueryRowContext(ctx, `SELECT value FROM meta WHERE name = $1`, metaEpoch).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = h.NewEpoch(ctx)
		return err
	}
	if err != nil {
		return calms.Wrap("read epoch", err)
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(h.epoch) {
		return calms.Errorf(calms.KindInternal, "epoch %q in the history is malformed", text)
	}
	copy(h.epoch[:], raw)
	return nil
}
