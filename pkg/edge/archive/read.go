package archive

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"os"
	"slices"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

// Archive is an export file that was read through once and found whole. Its
// methods are safe for concurrent use.
type Archive struct {
	file     *os.File
	path     string
	counts   Counts
	journals []*journal
	objects  map[wire.Hash]span
}

// journal is where the entries of one journal are in the file.
type journal struct {
	held    wire.Held
	losses  []wire.Loss
	entries []place // in the order of their numbers
}

type place struct {
	number uint64
	span
}

type span struct {
	at     int64
	length int
}

// Open reads an export file through: every checksum and the chain of hashes. A
// file that is cut or changed is of [calms.KindInvalid].
func Open(path string) (*Archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, calms.Errorf(calms.KindNotFound, "open export: %w", err)
	}
	a := &Archive{file: f, path: path, objects: map[wire.Hash]span{}}
	s := &scanner{r: bufio.NewReader(f), sum: sha256.New(), a: a}
	if err := s.scan(); err != nil {
		return nil, errors.Join(calms.Wrap("open export "+path, err), f.Close())
	}
	return a, nil
}

// Close closes the file.
func (a *Archive) Close() error { return a.file.Close() }

// Path is the file.
func (a *Archive) Path() string { return a.path }

// Counts is what the file holds.
func (a *Archive) Counts() Counts { return a.counts }

// Held describes the journals in the file.
func (a *Archive) Held() []wire.Held {
	var held []wire.Held
	for _, j := range a.journals {
		held = append(held, j.held)
	}
	return held
}

// scanner reads a file from its beginning to its end.
type scanner struct {
	r    *bufio.Reader
	sum  hash.Hash
	at   int64
	a    *Archive
	last wire.Hash // hash of the entry before, zero where it is not known
	next uint64
}

func malformed(how string, args ...any) error {
	return calms.Errorf(calms.KindInvalid, "the file "+how, args...).WithHint("copy the file again, or export again: calms-edge journal export FILE")
}

func (s *scanner) scan() error {
	head := make([]byte, len(magic)+1)
	if _, err := io.ReadFull(s.r, head); err != nil || string(head[:len(magic)]) != magic {
		return malformed("is no export of a journal")
	}
	if head[len(magic)] > version {
		return calms.Errorf(calms.KindInvalid, "the file has version %d, this program reads up to %d", head[len(magic)], version).
			WithHint("use the calms-edge that wrote it, or a newer one")
	}
	s.take(head)
	for {
		done, err := s.step()
		if done || err != nil {
			return err
		}
	}
}

func (s *scanner) take(b []byte) {
	s.sum.Write(b)
	s.at += int64(len(b))
}

// step reads one record; done after the last one.
func (s *scanner) step() (done bool, err error) {
	before := s.sum.Sum(nil)
	length, err := binary.ReadUvarint(s.r)
	if err != nil || length > maxRecord {
		return false, malformed("is cut at byte %d", s.at)
	}
	s.take(binary.AppendUvarint(nil, length))
	body := make([]byte, length)
	if _, err := io.ReadFull(s.r, body); err != nil {
		return false, malformed("is cut at byte %d", s.at)
	}
	where := span{s.at, int(length)}
	s.take(body)
	var r record
	if err := wire.Decode("record", body, &r); err != nil {
		return false, malformed("is damaged at byte %d: %w", where.at, err)
	}
	if r.Kind != recordEnd {
		return false, s.note(r, where)
	}
	if !bytes.Equal(body, wire.Encode(record{Kind: recordEnd, Sum: before})) {
		return false, malformed("was changed: its checksum is wrong")
	}
	if _, err := s.r.ReadByte(); err != io.EOF {
		return false, malformed("has bytes after its end")
	}
	s.a.counts.Bytes = s.at
	return true, nil
}

// note enters a record into the index.
func (s *scanner) note(r record, where span) error {
	a := s.a
	switch r.Kind {
	case recordJournal:
		a.journals = append(a.journals, &journal{held: r.Held})
		a.counts.Journals++
		s.next, s.last = r.Held.First, wire.Hash{}
		return nil
	case recordObject:
		a.objects[wire.ObjectName(r.Object)] = where
		a.counts.Objects++
		return nil
	}
	if len(a.journals) == 0 {
		return malformed("begins without a journal")
	}
	j := a.journals[len(a.journals)-1]
	switch r.Kind {
	case recordLoss:
		if r.Loss.First != s.next || r.Loss.Last < r.Loss.First {
			return malformed("has a hole at entry %d", s.next)
		}
		j.losses = append(j.losses, r.Loss)
		a.counts.Lost += r.Loss.Last - r.Loss.First + 1
		s.next, s.last = r.Loss.Last+1, r.Loss.Hash
	case recordEntry:
		e := r.Entry
		if e.Number != s.next || !s.last.IsZero() && e.Prev != s.last {
			return malformed("has an entry %d that does not follow the one before it", e.Number)
		}
		j.entries = append(j.entries, place{e.Number, where})
		a.counts.Entries++
		s.next, s.last = e.Number+1, e.Hash(j.held.Journal)
	default:
		return malformed("has a record of unknown kind %d", r.Kind)
	}
	return nil
}

// load reads one record again.
func (a *Archive) load(s span) (record, error) {
	var r record
	body := make([]byte, s.length)
	if _, err := a.file.ReadAt(body, s.at); err != nil {
		return r, calms.Wrap("read export", err)
	}
	err := wire.Decode("record", body, &r)
	return r, err
}

func (a *Archive) find(id wire.JournalID) *journal {
	for _, j := range a.journals {
		if j.held.Journal == id {
			return j
		}
	}
	return nil
}

// Read returns consecutive entries of a journal from a number on, up to maxBytes
// but at least one, or the loss that begins there; neither where the file has
// nothing of it.
func (a *Archive) Read(_ context.Context, id wire.JournalID, from uint64, maxBytes int) ([]wire.Entry, *wire.Loss, error) {
	j := a.find(id)
	if j == nil {
		return nil, nil, nil
	}
	for _, l := range j.losses {
		if l.First <= from && from <= l.Last {
			l.First = from
			return nil, &l, nil
		}
	}
	var entries []wire.Entry
	for _, p := range j.from(from) {
		if maxBytes -= p.length; maxBytes < 0 && len(entries) > 0 {
			break
		}
		r, err := a.load(p.span)
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, r.Entry)
	}
	return entries, nil, nil
}

// from is the places of consecutive entries that begin at a number.
func (j *journal) from(number uint64) []place {
	i, found := slices.BinarySearchFunc(j.entries, number, func(p place, n uint64) int { return cmp.Compare(p.number, n) })
	if !found {
		return nil
	}
	end := i + 1
	for end < len(j.entries) && j.entries[end].number == j.entries[end-1].number+1 {
		end++
	}
	return j.entries[i:end]
}

// HashAt is the hash of an entry, from the entry itself, the one after it or a
// loss; false where the file does not tell.
func (a *Archive) HashAt(ctx context.Context, id wire.JournalID, number uint64) (wire.Hash, bool, error) {
	if number == 0 {
		return wire.Hash{}, true, nil
	}
	for at, hash := range map[uint64]func(wire.Entry) wire.Hash{
		number:     func(e wire.Entry) wire.Hash { return e.Hash(id) },
		number + 1: func(e wire.Entry) wire.Hash { return e.Prev },
	} {
		entries, _, err := a.Read(ctx, id, at, 1)
		if err != nil {
			return wire.Hash{}, false, err
		}
		if len(entries) > 0 {
			return hash(entries[0]), true, nil
		}
	}
	if j := a.find(id); j != nil {
		for _, l := range j.losses {
			if l.Last == number {
				return l.Hash, true, nil
			}
		}
	}
	return wire.Hash{}, false, nil
}

// Object returns an object by its name, of kind not-found where it is not in
// the file.
func (a *Archive) Object(_ context.Context, name wire.Hash) ([]byte, error) {
	where, ok := a.objects[name]
	if !ok {
		return nil, calms.Errorf(calms.KindNotFound, "object %s is not in the export", name)
	}
	r, err := a.load(where)
	return r.Object, err
}
