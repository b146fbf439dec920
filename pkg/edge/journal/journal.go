// Package journal is the edge's durable log of sealed entries: the source that
// the cloud is a replica of. Entries are numbered 1, 2, 3 … without holes within
// a journal; acknowledged entries stay until the size limit evicts the oldest,
// and what is gone is remembered in a ledger of ranges.
//
// The journal never sees a plaintext on disk: it hands number and hash to a
// [Sealer] and stores what comes back.
package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/crash"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// DefaultLimit is the size of the file in bytes beyond which the oldest entries
// are evicted.
const DefaultLimit = 4 << 30

// Sealer seals entries of one journal: a seal.Session.
type Sealer interface {
	Journal() wire.JournalID
	Name() wire.Hash
	Object() []byte
	SealEntry(h wire.Header, plaintext []byte) wire.Entry
}

// Options of a journal.
type Options struct {
	Device     calms.DeviceID
	Limit      int64  // bytes; 0 is [DefaultLimit]
	Generation uint64 // the first generation must be larger
	// Wiped says why there may be no journal although there was one before; it
	// is stated to the cloud. Empty at a device's first start.
	Wiped string
	// Mark, where not nil, is told of a new generation before its first entry is
	// written, and must have it on disk when it returns: it outlives the journal.
	Mark func(generation uint64) error
}

// Journal is the log of one device. All methods are safe for concurrent use.
type Journal struct {
	db      *store.DB
	options Options

	mu    sync.Mutex // one writer; guards what follows
	head  head
	known map[wire.Hash]bool // objects on disk
	marks marks
}

// head is the end of the current journal.
type head struct {
	id     wire.JournalID
	number uint64
	hash   wire.Hash
	total  uint64
}

// Open opens the journal at path or makes it. A damaged file gives
// store.ErrDamaged, see [SetAside].
func Open(ctx context.Context, path string, options Options) (*Journal, error) {
	if options.Limit == 0 {
		options.Limit = DefaultLimit
	}
	db, err := store.OpenPaged(ctx, path, Migrations(), store.SmallPages)
	if err != nil {
		return nil, calms.Wrap("open journal", err)
	}
	j := &Journal{db: db, options: options, known: map[wire.Hash]bool{}, marks: newMarks()}
	if err := j.start(ctx); err != nil {
		return nil, calms.Wrap("open journal", errors.Join(err, db.Close()))
	}
	return j, nil
}

// Close closes the file. Everything that was appended is on disk already.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.db.Close()
}

// Current is the journal that entries are appended to.
func (j *Journal) Current() wire.JournalID {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.head.id
}

// Begin ends the current journal and begins a new one, of a generation above
// all that this device, its options and atLeast name. It says why, and keeps
// what is to be stated about the ends of journals.
func (j *Journal) Begin(ctx context.Context, reason string, atLeast uint64, statements ...wire.Statement) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return calms.Wrap("begin journal", j.begin(ctx, reason, atLeast, statements))
}

func (j *Journal) begin(ctx context.Context, reason string, atLeast uint64, statements []wire.Statement) error {
	id := wire.JournalID{
		Device:     j.options.Device,
		Generation: max(j.head.id.Generation, j.options.Generation, atLeast) + 1,
	}
	rand.Read(id.Random[:]) // never fails, see crypto/rand
	if j.options.Mark != nil {
		if err := j.options.Mark(id.Generation); err != nil {
			return err
		}
	}
	err := j.db.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO journals (generation, random, reason, head, hash, total, cursor, covered)
			VALUES ($1, $2, $3, 0, $4, 0, 0, 0)`, id.Generation, id.Random[:], reason, make([]byte, len(wire.Hash{}))); err != nil {
			return err
		}
		return putStatements(ctx, tx, id, statements)
	})
	if err != nil {
		return err
	}
	j.head = head{id: id}
	return nil
}

// Record is one entry before it is sealed.
type Record struct {
	Kind      wire.EntryKind
	Plaintext []byte
	Samples   int
	Since     int64    // UTC nanoseconds of the first sample, 0 where unknown
	Until     int64    // of the last one
	Objects   [][]byte // beside the session that the plaintext needs, encoded
}

// ErrWrongSession says that the sealer belongs to another journal: a new one
// was begun meanwhile, and a new session is needed.
var ErrWrongSession = errors.New("the session seals for another journal")

// Append seals a record as the next entry and returns when it is on disk. An
// error means that nothing was stored and the number is still free.
func (j *Journal) Append(ctx context.Context, s Sealer, r Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.Journal() != j.head.id {
		return ErrWrongSession
	}
	next, entry := j.seal(s, r)
	crash.At("journal.sealed")
	encoded := wire.Encode(entry)
	objects := j.missing(append([][]byte{s.Object()}, r.Objects...))
	evicted := false
	err := j.db.Update(ctx, func(tx store.Tx) error {
		if err := insertEntry(ctx, tx, next, r, encoded); err != nil {
			return err
		}
		if err := insertObjects(ctx, tx, next, objects, entry.Header); err != nil {
			return err
		}
		if err := j.marks.write(ctx, tx); err != nil {
			return err
		}
		var err error
		evicted, err = j.makeRoom(ctx, tx)
		crash.At("journal.written")
		return err
	})
	if err != nil {
		// Whether a failed commit reached the disk is not known: ask the disk.
		return errors.Join(calms.Wrap("append to journal", err), j.load(ctx))
	}
	crash.At("journal.committed")
	j.head, j.marks.dirty = next, false
	for _, object := range objects {
		j.known[wire.ObjectName(object)] = true
	}
	if evicted {
		return calms.Wrap("append to journal", j.loadObjects(ctx))
	}
	return nil
}

// seal makes the next entry and the head that it leads to.
func (j *Journal) seal(s Sealer, r Record) (head, wire.Entry) {
	header := wire.Header{
		Number: j.head.number + 1,
		Kind:   r.Kind,
		Prev:   j.head.hash,
		Total:  j.head.total + uint64(r.Samples),
	}
	for _, object := range r.Objects {
		header.Objects = append(header.Objects, wire.ObjectName(object))
	}
	entry := s.SealEntry(header, r.Plaintext)
	return head{id: j.head.id, number: header.Number, hash: entry.Hash(j.head.id), total: header.Total}, entry
}

func (j *Journal) missing(objects [][]byte) (missing [][]byte) {
	for _, object := range objects {
		if !j.known[wire.ObjectName(object)] {
			missing = append(missing, object)
		}
	}
	return missing
}

func insertEntry(ctx context.Context, tx store.Tx, h head, r Record, encoded []byte) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO entries (generation, number, samples, since, until, entry) VALUES ($1, $2, $3, $4, $5, $6)`,
		h.id.Generation, h.number, r.Samples, r.Since, r.Until, encoded)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE journals SET head = $1, hash = $2, total = $3 WHERE generation = $4`,
		h.number, h.hash[:], h.total, h.id.Generation)
	return err
}

// insertObjects stores objects that are new, and notes on all that the entry
// names that it does.
func insertObjects(ctx context.Context, tx store.Tx, h head, objects [][]byte, header wire.Header) error {
	for _, object := range objects {
		name := wire.ObjectName(object)
		if _, err := tx.ExecContext(ctx, `INSERT INTO objects (name, object, generation, number) VALUES ($1, $2, $3, $4)`,
			name[:], object, h.id.Generation, h.number); err != nil {
			return err
		}
	}
	for _, name := range append([]wire.Hash{header.Session}, header.Objects...) {
		if _, err := tx.ExecContext(ctx, `UPDATE objects SET generation = $1, number = $2 WHERE name = $3`, h.id.Generation, h.number, name[:]); err != nil {
			return err
		}
	}
	return nil
}

// Device is whose journal it is.
func (j *Journal) Device() calms.DeviceID { return j.options.Device }

// Limit is the size beyond which the oldest entries go.
func (j *Journal) Limit() int64 { return j.options.Limit }
