package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// start loads what is there. Where there is nothing it begins the first journal,
// and where the newest journal's tail is gone, the next one.
func (j *Journal) start(ctx context.Context) error {
	if err := j.load(ctx); err != nil {
		return err
	}
	if j.head.id.Generation == 0 {
		return j.first(ctx)
	}
	heads, err := readHeads(ctx, j.db.Read(), j.options.Device)
	if err != nil {
		return err
	}
	for _, h := range heads {
		held, err := lastHeld(ctx, j.db.Read(), h)
		if err != nil {
			return err
		}
		if held == h {
			continue
		}
		if err := j.loseTail(ctx, h, held); err != nil {
			return err
		}
	}
	return nil
}

// load reads the head of the newest journal, the marks and the objects.
func (j *Journal) load(ctx context.Context) error {
	heads, err := readHeads(ctx, j.db.Read(), j.options.Device)
	if err != nil {
		return err
	}
	j.head = head{}
	if len(heads) > 0 {
		j.head = heads[len(heads)-1]
	}
	if err := j.marks.load(ctx, j.db.Read()); err != nil {
		return err
	}
	return j.loadObjects(ctx)
}

// first begins the first journal of this file. It is blind: the cloud may know
// larger generations than what is known here.
func (j *Journal) first(ctx context.Context) error {
	j.marks.blind, j.marks.dirty = true, true
	if j.options.Wiped == "" {
		return j.begin(ctx, "first start", 0, nil)
	}
	return j.begin(ctx, j.options.Wiped, 0, []wire.Statement{{Kind: wire.StatementWiped, Reason: j.options.Wiped}})
}

// loseTail ends a journal at what is still there, and begins another one where
// it was the current one: the numbers after it may have been used.
func (j *Journal) loseTail(ctx context.Context, was, held head) error {
	err := j.db.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM entries WHERE generation = $1 AND number > $2`, held.id.Generation, held.number); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE journals SET head = $1, hash = $2, total = $3 WHERE generation = $4`,
			held.number, held.hash[:], held.total, held.id.Generation)
		return err
	})
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("the journal's entries after %d were lost, up to %d at least", held.number, was.number)
	lost := wire.Statement{Kind: wire.StatementTailLost, Journal: held.id, Number: held.number, Hash: held.hash, Reason: reason}
	if held.id == j.head.id {
		return j.begin(ctx, reason, 0, []wire.Statement{lost})
	}
	return j.db.Update(ctx, func(tx store.Tx) error { return putStatements(ctx, tx, held.id, []wire.Statement{lost}) })
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

// readHeads lists the ends of all journals, oldest first.
func readHeads(ctx context.Context, tx store.Tx, device calms.DeviceID) ([]head, error) {
	rows, err := tx.QueryContext(ctx, `SELECT generation, random, head, hash, total FROM journals ORDER BY generation`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var heads []head
	for rows.Next() {
		h := head{id: wire.JournalID{Device: device}}
		var random, hash []byte
		if err := rows.Scan(&h.id.Generation, &random, &h.number, &hash, &h.total); err != nil {
			return nil, err
		}
		if len(random) != len(h.id.Random) || len(hash) != len(h.hash) {
			return nil, fmt.Errorf("%w: the head of generation %d is no head", store.ErrDamaged, h.id.Generation)
		}
		copy(h.id.Random[:], random)
		copy(h.hash[:], hash)
		heads = append(heads, h)
	}
	return heads, rows.Err()
}

// lastHeld is the head where the last entry is there and is the one that the
// head names; else the last entry that can be read.
func lastHeld(ctx context.Context, tx store.Tx, h head) (head, error) {
	if h.number == 0 {
		return h, nil
	}
	rows, err := tx.QueryContext(ctx, `SELECT entry FROM entries WHERE generation = $1 ORDER BY number DESC`, h.id.Generation)
	if err != nil {
		return h, err
	}
	defer rows.Close()
	for rows.Next() {
		var encoded []byte
		if err := rows.Scan(&encoded); err != nil {
			return h, err
		}
		var e wire.Entry
		if wire.Decode("entry", encoded, &e) != nil {
			continue
		}
		last := head{id: h.id, number: e.Number, hash: e.Hash(h.id), total: e.Total}
		if last.number == h.number && last.hash != h.hash {
			continue // changed on disk
		}
		return last, nil
	}
	if err := rows.Err(); err != nil {
		return h, err
	}
	return lastLost(ctx, tx, h.id)
}

// lastLost is the end of what the ledger knows of a journal without entries.
func lastLost(ctx context.Context, tx store.Tx, id wire.JournalID) (head, error) {
	last := head{id: id}
	var hash []byte
	err := tx.QueryRowContext(ctx, `SELECT last, hash, total FROM lost WHERE generation = $1 ORDER BY last DESC LIMIT 1`, id.Generation).
		Scan(&last.number, &hash, &last.total)
	copy(last.hash[:], hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return last, err
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
