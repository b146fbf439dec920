package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

const (
	magic     = "calms-journal"
	version   = 1
	maxRecord = 1 << 20 // bytes; entries and objects are far smaller
	pageBytes = 1 << 20 // of entries that are read at once
)

// record is one of the fields that are set, by its kind.
type record struct {
	_      struct{} `cbor:",toarray"`
	Kind   recordKind
	Held   wire.Held  // recordJournal
	Loss   wire.Loss  // recordLoss
	Object []byte     // recordObject
	Entry  wire.Entry // recordEntry
	Sum    []byte     // recordEnd
}

type recordKind uint8

const (
	recordJournal recordKind = 1
	recordLoss    recordKind = 2
	recordObject  recordKind = 3
	recordEntry   recordKind = 4
	recordEnd     recordKind = 5
)

// Source is the journal that is written.
type Source interface {
	Held(ctx context.Context) ([]wire.Held, error)
	Read(ctx context.Context, id wire.JournalID, from uint64, maxBytes int) ([]wire.Entry, *wire.Loss, error)
	Object(ctx context.Context, name wire.Hash) ([]byte, error)
}

// Counts is what was written or read.
type Counts struct {
	Journals int       `json:"journals"`
	Entries  uint64    `json:"entries"`
	Lost     uint64    `json:"lost"`              // entries that the journal itself no longer held; when read, those left out too
	LeftOut  []LeftOut `json:"leftOut,omitempty"` // when written: entries of the journal that nobody could use
	Objects  int       `json:"objects"`
	Bytes    int64     `json:"bytes"`
}

// LeftOut is a range of entries that the file names as lost, although the
// journal does not.
type LeftOut struct {
	Journal string `json:"journal"` // its name
	First   uint64 `json:"first"`
	Last    uint64 `json:"last"`
	Reason  string `json:"reason"`
}

// Missed is how many entries were left out.
func (c Counts) Missed() (n uint64) {
	for _, l := range c.LeftOut {
		n += l.Last - l.First + 1
	}
	return n
}

// Write writes what a source holds. After names, for each journal, the entry
// after which to begin; nil begins at the beginning. What cannot be read, or
// needs an object that cannot, is left out, and the rest goes on: the errors are
// those of the context, of w, and of a source that answers nothing at all.
func Write(ctx context.Context, w io.Writer, source Source, after func(wire.JournalID) uint64) (Counts, error) {
	out := &writer{w: bufio.NewWriter(w), sum: sha256.New(), objects: newObjects(source)}
	if err := out.raw(append([]byte(magic), version)); err != nil {
		return out.counts, calms.Wrap("write export", err)
	}
	held, err := source.Held(ctx)
	if err != nil {
		return out.counts, err
	}
	for _, h := range held {
		var first uint64 = 1
		if after != nil {
			first = after(h.Journal) + 1
		}
		if first > h.Last {
			continue
		}
		if err := out.journal(ctx, source, h, first); err != nil {
			return out.counts, calms.Wrap("write export", err)
		}
	}
	return out.counts, calms.Wrap("write export", out.end())
}

type writer struct {
	w       *bufio.Writer
	sum     hash.Hash
	objects *objects
	counts  Counts
}

func (w *writer) raw(b []byte) error {
	w.counts.Bytes += int64(len(b))
	w.sum.Write(b)
	_, err := w.w.Write(b)
	return err
}

func (w *writer) record(r record) error {
	encoded := wire.Encode(r)
	return w.raw(append(binary.AppendUvarint(nil, uint64(len(encoded))), encoded...))
}

func (w *writer) journal(ctx context.Context, source Source, h wire.Held, next uint64) error {
	h.First = next
	w.counts.Journals++
	if err := w.record(record{Kind: recordJournal, Held: h}); err != nil {
		return err
	}
	j := &journalWriter{writer: w, held: h}
	for next <= h.Last {
		entries, loss, err := source.Read(ctx, h.Journal, next, pageBytes)
		switch {
		case err != nil:
			return err
		case loss != nil:
			w.counts.Lost += loss.Last - loss.First + 1
			err, next = j.lose(*loss), loss.Last+1
		case len(entries) == 0:
			// Damage that no entry after it tells of: the end of the journal.
			j.leaveOut(wire.Loss{First: next, Last: h.Last, Hash: h.Hash, Total: j.total, Reason: "damaged"})
			next = h.Last + 1
		default:
			err, next = j.entries(ctx, entries), entries[len(entries)-1].Number+1
		}
		if err != nil {
			return err
		}
	}
	return j.flush()
}

func (w *writer) end() error {
	if err := w.record(record{Kind: recordEnd, Sum: w.sum.Sum(nil)}); err != nil {
		return err
	}
	return w.w.Flush()
}
