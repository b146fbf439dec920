package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

// held is a source of one journal in memory.
type held struct {
	id      wire.JournalID
	lost    *wire.Loss
	entries []wire.Entry
	object  []byte
	objects map[wire.Hash][]byte // others; nil is a broken one
	end     uint64               // where not 0, what is after it cannot be read
}

func (h held) Held(context.Context) ([]wire.Held, error) {
	last := h.entries[len(h.entries)-1]
	return []wire.Held{{Journal: h.id, First: h.entries[0].Number, Last: last.Number, Hash: last.Hash(h.id)}}, nil
}

func (h held) Read(_ context.Context, _ wire.JournalID, from uint64, _ int) ([]wire.Entry, *wire.Loss, error) {
	if h.lost != nil && from <= h.lost.Last {
		l := *h.lost
		l.First = from
		return nil, &l, nil
	}
	if h.end != 0 && from > h.end {
		return nil, nil, nil
	}
	return h.entries[from-h.entries[0].Number:][:1], nil, nil
}

func (h held) Object(_ context.Context, name wire.Hash) ([]byte, error) {
	if name == wire.ObjectName(h.object) {
		return h.object, nil
	}
	if object, known := h.objects[name]; known {
		return object, nil
	}
	return nil, calms.Errorf(calms.KindNotFound, "object %s is not in the journal", name)
}

// journalOf has entries from first to last; those before first are lost.
func journalOf(first, last uint64) held {
	h := held{id: wire.JournalID{Device: "d-aaaaaaaaaaaaaaaa", Generation: 2}, object: []byte("session")}
	var prev wire.Hash
	for n := uint64(1); n <= last; n++ {
		e := wire.Entry{Header: wire.Header{Number: n, Kind: wire.KindBatch, Prev: prev, Session: wire.ObjectName(h.object)}, Sealed: []byte{byte(n)}}
		prev = e.Hash(h.id)
		if n >= first {
			h.entries = append(h.entries, e)
		} else {
			h.lost = &wire.Loss{First: 1, Last: n, Hash: prev, Reason: "evicted"}
		}
	}
	return h
}

func write(t *testing.T, h held, after uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Write(t.Context(), &b, h, func(wire.JournalID) uint64 { return after }); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t *testing.T, content []byte) (*Archive, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err == nil {
		t.Cleanup(func() { a.Close() })
	}
	return a, err
}

func TestAnArchiveAnswersAsTheJournalDid(t *testing.T) {
	h := journalOf(4, 9)
	a, err := open(t, write(t, h, 0))
	if err != nil {
		t.Fatal(err)
	}
	if c := a.Counts(); c.Entries != 6 || c.Lost != 3 || c.Objects != 1 || c.Journals != 1 {
		t.Errorf("counts are %+v", c)
	}
	if _, loss, _ := a.Read(t.Context(), h.id, 2, 1); loss == nil || loss.First != 2 || loss.Last != 3 {
		t.Errorf("the loss is %+v", loss)
	}
	entries, _, err := a.Read(t.Context(), h.id, 5, 1<<20)
	if err != nil || len(entries) != 5 || entries[0].Hash(h.id) != h.entries[1].Hash(h.id) {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	for number, want := range map[uint64]wire.Hash{0: {}, 3: h.lost.Hash, 4: h.entries[0].Hash(h.id), 9: h.entries[5].Hash(h.id)} {
		if got, known, err := a.HashAt(t.Context(), h.id, number); err != nil || !known || got != want {
			t.Errorf("hash at %d: %s, %v, %v", number, got, known, err)
		}
	}
	if object, err := a.Object(t.Context(), wire.ObjectName(h.object)); err != nil || string(object) != "session" {
		t.Errorf("object %q, %v", object, err)
	}
	if _, err := a.Object(t.Context(), wire.Hash{1}); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("an object that is not there: %v", err)
	}
}

func TestAnArchiveFromTheCursorOn(t *testing.T) {
	h := journalOf(1, 9)
	a, err := open(t, write(t, h, 6))
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Held()[0]; got.First != 7 || got.Last != 9 || a.Counts().Entries != 3 {
		t.Errorf("it holds %+v", got)
	}
	if hash, known, _ := a.HashAt(t.Context(), h.id, 6); !known || hash != h.entries[5].Hash(h.id) {
		t.Error("the hash at the cursor is not known")
	}
}

// needing makes entries of a journal need one object more, and chains them anew.
func (h *held) needing(name wire.Hash, numbers ...uint64) {
	for i := range h.entries {
		e := &h.entries[i]
		if slices.Contains(numbers, e.Number) {
			e.Objects = append(e.Objects, name)
		}
		if i > 0 {
			e.Prev = h.entries[i-1].Hash(h.id)
		}
	}
}

func TestWhatNeedsALostObjectIsLeftOut(t *testing.T) {
	h := journalOf(1, 9)
	gone, broken, whole := wire.Hash{1}, wire.Hash{2}, []byte("whole")
	h.objects = map[wire.Hash][]byte{broken: []byte("other content"), wire.ObjectName(whole): whole}
	h.needing(gone, 2, 3, 9)
	h.needing(broken, 6)
	h.needing(wire.ObjectName(whole), 3, 7)
	var b bytes.Buffer
	counts, err := Write(t.Context(), &b, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if counts.Entries != 5 || counts.Missed() != 4 || counts.Lost != 0 || counts.Objects != 2 {
		t.Errorf("counts are %+v", counts)
	}
	a, err := open(t, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][2]uint64{{2, 3}, {6, 6}, {9, 9}} {
		l := counts.LeftOut[i]
		if l.First != want[0] || l.Last != want[1] || l.Journal != h.id.Name() || !strings.Contains(l.Reason, "object") {
			t.Errorf("left out %+v, want %v", l, want)
		}
		_, loss, err := a.Read(t.Context(), h.id, want[0], 1)
		if err != nil || loss == nil || loss.Last != want[1] || loss.Hash != h.entries[want[1]-1].Hash(h.id) {
			t.Errorf("the loss is %+v, %v", loss, err)
		}
	}
	if entries, _, _ := a.Read(t.Context(), h.id, 7, 1); len(entries) != 1 {
		t.Error("a whole entry is not there")
	}
	if object, err := a.Object(t.Context(), wire.ObjectName(whole)); err != nil || string(object) != "whole" {
		t.Errorf("object %q, %v", object, err)
	}
}

func TestADamagedEndIsLeftOut(t *testing.T) {
	h := journalOf(1, 9)
	h.end = 6
	var b bytes.Buffer
	counts, err := Write(t.Context(), &b, h, nil)
	if err != nil || counts.Entries != 6 || counts.Missed() != 3 {
		t.Fatalf("counts are %+v, %v", counts, err)
	}
	a, err := open(t, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if hash, known, _ := a.HashAt(t.Context(), h.id, 9); !known || hash != h.entries[8].Hash(h.id) {
		t.Error("the end is not known")
	}
}

func TestWritingStopsWhereItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := journalOf(1, 3)
	h.needing(wire.Hash{1}, 1, 2, 3)
	if _, err := Write(ctx, io.Discard, h, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDamagedArchivesAreRefused(t *testing.T) {
	whole := write(t, journalOf(3, 5), 0)
	for cut := range whole {
		if _, err := open(t, whole[:cut]); calms.KindOf(err) != calms.KindInvalid {
			t.Fatalf("cut at %d of %d: %v", cut, len(whole), err)
		}
	}
	for at := range whole {
		changed := bytes.Clone(whole)
		changed[at] ^= 0x40
		if _, err := open(t, changed); calms.KindOf(err) != calms.KindInvalid {
			t.Fatalf("changed at %d: %v", at, err)
		}
	}
	if _, err := open(t, append(bytes.Clone(whole), 0)); err == nil {
		t.Error("a longer file was taken")
	}
	newer := bytes.Clone(whole)
	newer[len(magic)]++
	if _, err := open(t, newer); calms.HintOf(err) == "" {
		t.Errorf("a newer version: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	var b bytes.Buffer
	if _, err := Write(f.Context(), &b, journalOf(2, 4), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(magic + "\x01"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if a, err := open(t, content); err == nil {
			for _, h := range a.Held() {
				if _, _, err := a.Read(t.Context(), h.Journal, h.First, 1<<20); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
