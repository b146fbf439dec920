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
	Journals int    `json:"journals"`
	Entries  uint64 `json:"entries"`
	Lost     uint64 `json:"lost"` // entries that the journal itself no longer held
	Objects  int    `json:"objects"`
	Bytes    int64  `json:"bytes"`
}

// Write writes what a source holds. After names, for each journal, the entry
// after which to begin; nil begins at the beginning.
func Write(ctx context.Context, w io.Writer, source Source, after func(wire.JournalID) uint64) (Counts, error) {
	out := &writer{w: bufio.NewWriter(w), sum: sha256.New(), known: map[wire.Hash]bool{}}
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
	w      *bufio.Writer
	sum    hash.Hash
	known  map[wire.Hash]bool
	counts Counts
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
	for next <= h.Last {
		entries, loss, err := source.Read(ctx, h.Journal, next, pageBytes)
		if err != nil {
			return err
		}
		if loss != nil {
			w.counts.Lost += loss.Last - loss.First + 1
			if err := w.record(record{Kind: recordLoss, Loss: *loss}); err != nil {
				return err
			}
			next = loss.Last + 1
			continue
		}
		if len(entries) == 0 {
			return calms.Errorf(calms.KindInternal, "entry %d of %s is neither there nor named as lost", next, h.Journal).
				WithHint("calms-edge journal verify")
		}
		for _, e := range entries {
			if err := w.entry(ctx, source, e); err != nil {
				return err
			}
			next = e.Number + 1
		}
	}
	return nil
}

func (w *writer) entry(ctx context.Context, source Source, e wire.Entry) error {
	for _, name := range append([]wire.Hash{e.Session}, e.Objects...) {
		if err := w.object(ctx, source, name); err != nil {
			return err
		}
	}
	w.counts.Entries++
	return w.record(record{Kind: recordEntry, Entry: e})
}

// object writes an object once, after the session that it is sealed under.
func (w *writer) object(ctx context.Context, source Source, name wire.Hash) error {
	if w.known[name] {
		return nil
	}
	object, err := source.Object(ctx, name)
	if err != nil {
		return err
	}
	if list, err := wire.DecodeChannels(object); err == nil {
		if err := w.object(ctx, source, list.Session); err != nil && calms.KindOf(err) != calms.KindNotFound {
			return err
		}
	}
	w.known[name] = true
	w.counts.Objects++
	return w.record(record{Kind: recordObject, Object: object})
}

func (w *writer) end() error {
	if err := w.record(record{Kind: recordEnd, Sum: w.sum.Sum(nil)}); err != nil {
		return err
	}
	return w.w.Flush()
}
