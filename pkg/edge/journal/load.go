package journal

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// load reads the head of the newest journal and the sizes from disk.
func (j *Journal) load(ctx context.Context) error {
	h, err := newestHead(ctx, j.db.Read(), j.options.Device)
	if err != nil {
		return err
	}
	if err := checkHead(ctx, j.db.Read(), h); err != nil {
		return err
	}
	j.head = h
	if err := j.marks.load(ctx, j.db.Read()); err != nil {
		return err
	}
	return j.loadObjects(ctx)
}

// loadObjects reads which objects are held.
func (j *Journal) loadObjects(ctx context.Context) error {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT name FROM objects`)
	if err != nil {
		return err
	}
	defer rows.Close()
	known := map[wire.Hash]bool{}
	for rows.Next() {
		var name []byte
		if err := rows.Scan(&name); err != nil {
			return err
		}
		known[wire.Hash(name)] = true
	}
	j.known = known
	return rows.Err()
}

func newestHead(ctx context.Context, tx store.Tx, device calms.DeviceID) (head, error) {
	rows, err := tx.QueryContext(ctx, `SELECT generation, random, head, hash, total FROM journals ORDER BY generation DESC LIMIT 1`)
	if err != nil {
		return head{}, err
	}
	defer rows.Close()
	h := head{id: wire.JournalID{Device: device}}
	if !rows.Next() {
		return h, rows.Err()
	}
	var random, hash []byte
	if err := rows.Scan(&h.id.Generation, &random, &h.number, &hash, &h.total); err != nil {
		return h, err
	}
	if len(random) != len(h.id.Random) || len(hash) != len(h.hash) {
		return h, fmt.Errorf("%w: the head of generation %d is no head", store.ErrDamaged, h.id.Generation)
	}
	copy(h.id.Random[:], random)
	copy(h.hash[:], hash)
	return h, rows.Err()
}

// checkHead compares the head with the last entry, so that a file whose tail
// was lost or changed is found before a number is used again.
func checkHead(ctx context.Context, tx store.Tx, h head) error {
	if h.number == 0 {
		return nil
	}
	var encoded []byte
	err := tx.QueryRowContext(ctx, `SELECT entry FROM entries WHERE generation = $1 AND number = $2`, h.id.Generation, h.number).Scan(&encoded)
	if err != nil {
		return fmt.Errorf("%w: entry %d, the last one, is not there (%w)", store.ErrDamaged, h.number, err)
	}
	var e wire.Entry
	if err := wire.Decode("entry", encoded, &e); err != nil || e.Hash(h.id) != h.hash {
		return fmt.Errorf("%w: entry %d, the last one, is not what was written", store.ErrDamaged, h.number)
	}
	return nil
}

// SetAside renames a damaged journal so that a new one can begin and what the
// old one still holds can be brought in by hand. It returns the new path.
func SetAside(path string, now time.Time) (string, error) {
	aside := fmt.Sprintf("%s.damaged-%s", path, now.UTC().Format("20060102T150405.000000000Z"))
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !os.IsNotExist(err) {
			return "", calms.Wrap("set journal aside", err)
		}
	}
	return aside, nil
}
