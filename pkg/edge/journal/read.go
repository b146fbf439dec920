package journal

import (
	"context"
	"database/sql"
	"errors"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// reasonDamaged is the ledger's word for entries that cannot be read.
const reasonDamaged = "damaged"

// Held lists the journals, oldest first; the last one is current. Older ones of
// which nothing is left, and no loss is worth telling, are listed too.
func (j *Journal) Held(ctx context.Context) ([]wire.Held, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT j.generation, j.random, j.head, j.hash,
			COALESCE(e.number, j.head + 1), COALESCE(e.since, 0)
		FROM journals j LEFT JOIN entries e ON e.generation = j.generation
			AND e.number = (SELECT MIN(number) FROM entries WHERE generation = j.generation)
		ORDER BY j.generation`)
	if err != nil {
		return nil, calms.Wrap("read journal", err)
	}
	defer rows.Close()
	var held []wire.Held
	for rows.Next() {
		h := wire.Held{Journal: wire.JournalID{Device: j.options.Device}}
		var random, hash []byte
		if err := rows.Scan(&h.Journal.Generation, &random, &h.Last, &hash, &h.First, &h.Oldest); err != nil {
			return nil, calms.Wrap("read journal", err)
		}
		copy(h.Journal.Random[:], random)
		copy(h.Hash[:], hash)
		held = append(held, h)
	}
	return held, calms.Wrap("read journal", rows.Err())
}

// Read returns consecutive entries of a journal from a number on, up to maxBytes
// of them but at least one, with their encoded sizes. Where that number is no
// longer held it returns the loss that begins at it instead. Both are empty at
// the end of the journal.
func (j *Journal) Read(ctx context.Context, id wire.JournalID, from uint64, maxBytes int) ([]wire.Entry, *wire.Loss, error) {
	entries, err := j.readEntries(ctx, id, from, maxBytes)
	if err != nil || len(entries) > 0 {
		return entries, nil, calms.Wrap("read journal", err)
	}
	loss, err := j.readLoss(ctx, id, from)
	return nil, loss, calms.Wrap("read journal", err)
}

func (j *Journal) readEntries(ctx context.Context, id wire.JournalID, from uint64, maxBytes int) ([]wire.Entry, error) {
	links, err := readChain(ctx, j.db.Read(), id, from, maxBytes)
	if err != nil || len(links) == 0 || links[0].entry.Number != from {
		return nil, err
	}
	var entries []wire.Entry
	for _, l := range links {
		if !l.whole || (maxBytes < l.size && len(entries) > 0) {
			break
		}
		maxBytes -= l.size
		entries = append(entries, l.entry)
	}
	return entries, nil
}

// link is one entry as it was found on disk.
type link struct {
	entry   wire.Entry // only its Number is set where it could not be decoded
	samples uint64
	since   int64
	size    int
	decoded bool
	whole   bool // decoded, and what the next one says of it
}

// readChain returns the consecutive entries from the first held number at or
// above from on, one more than maxBytes needs, so that each can be compared
// with what the next one says of it.
func readChain(ctx context.Context, tx store.Tx, id wire.JournalID, from uint64, maxBytes int) ([]link, error) {
	rows, err := tx.QueryContext(ctx, `SELECT number, samples, since, entry FROM entries WHERE generation = $1 AND number >= $2 ORDER BY number`, id.Generation, from)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var links []link
	for maxBytes >= 0 && rows.Next() {
		var l link
		var number uint64
		var encoded []byte
		if err := rows.Scan(&number, &l.samples, &l.since, &encoded); err != nil {
			return nil, err
		}
		if len(links) > 0 && number != links[len(links)-1].entry.Number+1 {
			break
		}
		l.size = len(encoded)
		l.decoded = wire.Decode("entry", encoded, &l.entry) == nil && l.entry.Number == number
		l.whole = l.decoded
		l.entry.Number = number
		links = append(links, l)
		if len(links) > 1 {
			maxBytes -= l.size
		}
	}
	compareChain(id, links)
	return links, rows.Err()
}

// compareChain finds entries that were changed on disk: one that is not what
// the next one says of it. Where it is the next one's word that was changed, an
// intact entry is given up too; sending one that cannot be opened would be worse.
func compareChain(id wire.JournalID, links []link) {
	for i := range len(links) - 1 {
		if links[i].decoded && links[i+1].decoded {
			links[i].whole = links[i].entry.Hash(id) == links[i+1].entry.Prev
		}
	}
}

// readLoss finds the range of the ledger that from lies in. A number that is
// neither held whole nor in the ledger, although higher ones are held, is
// damage: it is entered now, from what the next whole entry tells of it.
func (j *Journal) readLoss(ctx context.Context, id wire.JournalID, from uint64) (*wire.Loss, error) {
	loss, err := ledger(ctx, j.db.Read(), id.Generation, from)
	if err != nil || loss != nil {
		return loss, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	damaged, err := findDamage(ctx, j.db.Read(), id, from)
	if err != nil || damaged == nil {
		return nil, err
	}
	if err := j.db.Update(ctx, func(tx store.Tx) error { return lose(ctx, tx, *damaged) }); err != nil {
		return nil, err
	}
	return ledger(ctx, j.db.Read(), id.Generation, from)
}

func ledger(ctx context.Context, tx store.Tx, generation, number uint64) (*wire.Loss, error) {
	l := wire.Loss{First: number}
	var hash []byte
	err := tx.QueryRowContext(ctx, `SELECT last, hash, total, since, until, reason FROM lost
		WHERE generation = $1 AND first <= $2 AND last >= $2`, generation, number).
		Scan(&l.Last, &hash, &l.Total, &l.Since, &l.Until, &l.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	copy(l.Hash[:], hash)
	return &l, nil
}

// lookAhead bounds what findDamage reads at once.
const lookAhead = 1 << 20

// findDamage looks for the next whole entry after from.
func findDamage(ctx context.Context, tx store.Tx, id wire.JournalID, from uint64) (*loss, error) {
	for next := from + 1; ; {
		links, err := readChain(ctx, tx, id, next, lookAhead)
		if err != nil || len(links) == 0 {
			return nil, err
		}
		for _, l := range links {
			if l.whole {
				return &loss{
					generation: id.Generation, first: from, last: l.entry.Number - 1,
					hash: l.entry.Prev, total: l.entry.Total - min(l.samples, l.entry.Total), until: l.since, reason: reasonDamaged,
				}, nil
			}
		}
		next = links[len(links)-1].entry.Number + 1
	}
}

// HashAt is the hash of an entry, from the entry itself, the one after it or
// the ledger; false where none of them is there.
func (j *Journal) HashAt(ctx context.Context, id wire.JournalID, number uint64) (wire.Hash, bool, error) {
	if number == 0 {
		return wire.Hash{}, true, nil
	}
	entries, err := j.readEntries(ctx, id, number, 1)
	if err != nil {
		return wire.Hash{}, false, calms.Wrap("read journal", err)
	}
	if len(entries) > 0 {
		return entries[0].Hash(id), true, nil
	}
	if entries, err = j.readEntries(ctx, id, number+1, 1); err != nil {
		return wire.Hash{}, false, calms.Wrap("read journal", err)
	}
	if len(entries) > 0 {
		return entries[0].Prev, true, nil
	}
	loss, err := ledger(ctx, j.db.Read(), id.Generation, number)
	if err != nil || loss == nil || loss.Last != number {
		return wire.Hash{}, false, calms.Wrap("read journal", err)
	}
	return loss.Hash, true, nil
}

// Object returns an object by its name, of kind not-found where it is not held
// or is no longer what was written. What is damaged is dropped, so that the next
// entry that names it brings it again.
func (j *Journal) Object(ctx context.Context, name wire.Hash) ([]byte, error) {
	var object []byte
	err := j.db.Read().QueryRowContext(ctx, `SELECT object FROM objects WHERE name = $1`, name[:]).Scan(&object)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, calms.Errorf(calms.KindNotFound, "object %s is not in the journal", name)
	}
	if err == nil && wire.ObjectName(object) != name {
		return nil, j.dropObject(ctx, name)
	}
	return object, calms.Wrap("read journal", err)
}

func (j *Journal) dropObject(ctx context.Context, name wire.Hash) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM objects WHERE name = $1`, name[:])
		return err
	})
	if err != nil {
		return calms.Wrap("drop damaged object", err)
	}
	delete(j.known, name)
	return calms.Errorf(calms.KindNotFound, "object %s in the journal was damaged", name)
}

// reasonUnreadable is the ledger's word for whole entries that nobody can open
// any more, because an object that they need is lost.
const reasonUnreadable = "object lost"

// GiveUp enters into the ledger the entries from a number on that need an object
// which is no longer held, up to the first that does not. Call it when the cloud
// has said that it lacks the object too.
func (j *Journal) GiveUp(ctx context.Context, id wire.JournalID, from uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	entries, err := j.readEntries(ctx, id, from, lookAhead)
	if err != nil {
		return calms.Wrap("give up entries", err)
	}
	gone := loss{generation: id.Generation, first: from, reason: reasonUnreadable}
	for _, e := range entries {
		if j.holdsObjects(e) || (id == j.head.id && e.Number == j.head.number) {
			break // the newest entry proves where the journal ends
		}
		gone.last, gone.hash, gone.total = e.Number, e.Hash(id), e.Total
	}
	if gone.last == 0 {
		return nil
	}
	err = j.db.Update(ctx, func(tx store.Tx) error { return lose(ctx, tx, gone) })
	return calms.Wrap("give up entries", err)
}

func (j *Journal) holdsObjects(e wire.Entry) bool {
	for _, name := range append([]wire.Hash{e.Session}, e.Objects...) {
		if !j.known[name] {
			return false
		}
	}
	return true
}
