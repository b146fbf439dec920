package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

const device = calms.DeviceID("d-aaaaaaaaaaaaaaaa")

// plain is a sealer that seals nothing, so that tests can read what is stored.
type plain struct {
	journal wire.JournalID
	object  []byte
}

func (p plain) Journal() wire.JournalID { return p.journal }
func (p plain) Name() wire.Hash         { return wire.ObjectName(p.object) }
func (p plain) Object() []byte          { return p.object }
func (p plain) SealEntry(h wire.Header, plaintext []byte) wire.Entry {
	h.Session = p.Name()
	return wire.Entry{Header: h, Sealed: plaintext}
}

type fixture struct {
	*Journal
	t    *testing.T
	path string
}

func open(t *testing.T, path string, options Options) fixture {
	t.Helper()
	options.Device = device
	j, err := Open(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return fixture{j, t, path}
}

func (f fixture) sealer() plain {
	return plain{f.Current(), fmt.Appendf(nil, "session of %s", f.Current())}
}

// append adds n entries of size bytes and one sample each.
func (f fixture) append(n, size int) {
	f.t.Helper()
	for range n {
		r := Record{Kind: wire.KindBatch, Plaintext: bytes.Repeat([]byte{7}, size), Samples: 1, Since: 5, Until: 6, Objects: [][]byte{[]byte("channels")}}
		if err := f.Append(f.t.Context(), f.sealer(), r); err != nil {
			f.t.Fatal(err)
		}
	}
}

// alter changes the file behind the journal's back.
func (f fixture) alter(sql string) {
	f.t.Helper()
	if err := f.db.Update(f.t.Context(), func(tx store.Tx) error { _, err := tx.ExecContext(f.t.Context(), sql); return err }); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) read(from uint64, maxBytes int) ([]wire.Entry, *wire.Loss) {
	f.t.Helper()
	entries, loss, err := f.Read(f.t.Context(), f.Current(), from, maxBytes)
	if err != nil {
		f.t.Fatal(err)
	}
	return entries, loss
}

// checkChain reads the whole current journal and follows the hashes; gaps are
// returned.
func (f fixture) checkChain() (entries []wire.Entry, losses []wire.Loss) {
	f.t.Helper()
	previous := wire.Hash{}
	for next := uint64(1); ; {
		some, loss := f.read(next, 1000)
		switch {
		case loss != nil:
			previous, next = loss.Hash, loss.Last+1
			losses = append(losses, *loss)
		case len(some) > 0:
			for _, e := range some {
				if e.Number != next || e.Prev != previous {
					f.t.Fatalf("entry %d follows %s as number %d", e.Number, previous, next)
				}
				previous, next = e.Hash(f.Current()), next+1
			}
			entries = append(entries, some...)
		default:
			return entries, losses
		}
	}
}

func TestEntriesFollowEachOtherAcrossRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	f := open(t, path, Options{})
	id := f.Current()
	f.append(5, 10)
	f.Close()
	f = open(t, path, Options{})
	if f.Current() != id {
		t.Fatalf("the journal is %s after a restart, was %s", f.Current(), id)
	}
	f.append(5, 10)
	entries, losses := f.checkChain()
	if len(entries) != 10 || len(losses) != 0 || entries[9].Total != 10 {
		t.Errorf("%d entries, %v lost, %d samples", len(entries), losses, entries[9].Total)
	}
	held, err := f.Held(t.Context())
	if err != nil || len(held) != 1 || held[0].First != 1 || held[0].Last != 10 || held[0].Hash != entries[9].Hash(id) || held[0].Oldest != 5 {
		t.Errorf("held is %+v, %v", held, err)
	}
	for n := range uint64(11) {
		hash, known, err := f.HashAt(t.Context(), id, n)
		if err != nil || !known || (n > 0 && hash != entries[n-1].Hash(id)) {
			t.Errorf("hash of %d is %s, %v, %v", n, hash, known, err)
		}
	}
	for _, object := range [][]byte{f.sealer().Object(), []byte("channels")} {
		if got, err := f.Object(t.Context(), wire.ObjectName(object)); err != nil || !bytes.Equal(got, object) {
			t.Errorf("object is %q, %v", got, err)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "journal.db"), Options{})
	f.append(10, 1000)
	if entries, _ := f.read(3, 3500); len(entries) != 3 || entries[0].Number != 3 {
		t.Errorf("%d entries", len(entries))
	}
	if entries, _ := f.read(3, 1); len(entries) != 1 {
		t.Errorf("%d entries where one is too large", len(entries))
	}
	if entries, loss := f.read(11, 1000); len(entries) != 0 || loss != nil {
		t.Errorf("%v, %v at the end", entries, loss)
	}
}

func TestAFullJournalEvictsTheOldestAndSaysSo(t *testing.T) {
	const limit = 1 << 20
	path := filepath.Join(t.TempDir(), "journal.db")
	f := open(t, path, Options{Limit: limit})
	f.append(300, 10_000)
	entries, losses := f.checkChain()
	if len(losses) != 1 || losses[0].First != 1 || losses[0].Reason != reasonEvicted || losses[0].Total != losses[0].Last {
		t.Fatalf("the ledger says %+v", losses)
	}
	if first := entries[0].Number; first != losses[0].Last+1 || entries[len(entries)-1].Number != 300 {
		t.Errorf("entries %d to %d are held after a loss up to %d", first, entries[len(entries)-1].Number, losses[0].Last)
	}
	if len(entries) < 70 {
		t.Errorf("only %d entries of 10 kB are held in 1 MiB", len(entries))
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > limit*3/2 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	// A loss is answered for exactly the range that is asked for.
	if _, loss := f.read(17, 100); loss == nil || loss.First != 17 || loss.Last != losses[0].Last {
		t.Errorf("the loss from 17 on is %+v", loss)
	}
}

func TestObjectsLiveAsLongAsEntriesNameThem(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "journal.db"), Options{})
	old, shared := []byte("old"), []byte("shared")
	for i, objects := range [][][]byte{{old, shared}, {shared}, {}} {
		r := Record{Kind: wire.KindBatch, Plaintext: make([]byte, 100), Objects: objects}
		if err := f.Append(t.Context(), f.sealer(), r); err != nil {
			t.Fatal(i, err)
		}
	}
	has := func(object []byte) bool {
		_, err := f.Object(t.Context(), wire.ObjectName(object))
		return err == nil
	}
	if err := f.Evict(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if has(old) || !has(shared) {
		t.Errorf("after one eviction: old %v, shared %v", has(old), has(shared))
	}
	if err := f.Evict(t.Context(), 1<<30); err != nil {
		t.Fatal(err)
	}
	if has(shared) || !has(f.sealer().Object()) {
		t.Error("after the second: shared is held or the session is gone")
	}
	if entries, _ := f.read(3, 100); len(entries) != 1 {
		t.Error("the newest entry was evicted")
	}
	// An object that was dropped is stored again when it is named again.
	if err := f.Append(t.Context(), f.sealer(), Record{Kind: wire.KindBatch, Objects: [][]byte{old}}); err != nil || !has(old) {
		t.Errorf("an object named again: %v, %v", has(old), err)
	}
}

func TestANewJournalHasALargerGeneration(t *testing.T) {
	var marked []uint64
	options := Options{Generation: 4, Mark: func(g uint64) error { marked = append(marked, g); return nil }}
	f := open(t, filepath.Join(t.TempDir(), "journal.db"), options)
	f.append(2, 10)
	old := f.sealer()
	if err := f.Begin(t.Context(), "the cloud knows a newer one", 9); err != nil {
		t.Fatal(err)
	}
	if err := f.Append(t.Context(), old, Record{Kind: wire.KindBatch}); !errors.Is(err, ErrWrongSession) {
		t.Errorf("a session of the old journal gives %v", err)
	}
	f.append(1, 10)
	held, err := f.Held(t.Context())
	if err != nil || len(held) != 2 || held[0].Journal.Generation != 5 || held[0].Last != 2 || held[1].Journal.Generation != 10 || held[1].Last != 1 {
		t.Errorf("held is %+v, %v", held, err)
	}
	if fmt.Sprint(marked) != "[5 10]" {
		t.Errorf("marked %v", marked)
	}
}

func TestDamageInTheMiddleBecomesALoss(t *testing.T) {
	for name, sql := range map[string]string{
		"removed": `DELETE FROM entries WHERE number IN (4, 5)`,
		"changed": `UPDATE entries SET entry = substr(entry, 1, length(entry) - 1) || x'01' WHERE number IN (4, 5)`,
		"garbled": `UPDATE entries SET entry = x'0102' WHERE number IN (4, 5)`,
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, filepath.Join(t.TempDir(), "journal.db"), Options{})
			f.append(9, 50)
			if err := f.db.Update(t.Context(), func(tx store.Tx) error { _, err := tx.ExecContext(t.Context(), sql); return err }); err != nil {
				t.Fatal(err)
			}
			entries, losses := f.checkChain()
			if len(entries) != 7 || len(losses) != 1 || losses[0].First != 4 || losses[0].Last != 5 || losses[0].Total != 5 || losses[0].Reason != reasonDamaged {
				t.Errorf("%d entries, lost %+v", len(entries), losses)
			}
		})
	}
}

func TestADamagedOldestEntryDoesNotStopEviction(t *testing.T) {
	const limit = 1 << 20
	f := open(t, filepath.Join(t.TempDir(), "journal.db"), Options{Limit: limit})
	f.append(50, 10_000)
	f.alter(`UPDATE entries SET entry = x'ff00' WHERE number = 1`)
	f.append(200, 10_000)
	entries, losses := f.checkChain()
	if len(entries) > 100 || len(losses) != 2 || losses[0].Reason != reasonDamaged || losses[1].Reason != reasonEvicted {
		t.Errorf("%d entries are held, lost %+v", len(entries), losses)
	}
}

func TestADamagedObjectCostsOnlyWhatNeedsIt(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "journal.db"), Options{})
	f.append(3, 50)
	other := []byte("other channels")
	for range 3 {
		if err := f.Append(t.Context(), f.sealer(), Record{Kind: wire.KindBatch, Samples: 1, Objects: [][]byte{other}}); err != nil {
			t.Fatal(err)
		}
	}
	f.alter(`UPDATE objects SET object = x'00' WHERE object = CAST('channels' AS BLOB)`)
	name := wire.ObjectName([]byte("channels"))
	if _, err := f.Object(t.Context(), name); calms.KindOf(err) != calms.KindNotFound {
		t.Fatalf("a damaged object gives %v", err)
	}
	if err := f.GiveUp(t.Context(), f.Current(), 1); err != nil {
		t.Fatal(err)
	}
	entries, losses := f.checkChain()
	if len(entries) != 3 || len(losses) != 1 || losses[0].Last != 3 || losses[0].Total != 3 || losses[0].Reason != reasonUnreadable {
		t.Errorf("%d entries, lost %+v", len(entries), losses)
	}
	f.append(1, 50) // brings the object again
	if _, err := f.Object(t.Context(), name); err != nil {
		t.Error(err)
	}
	if err := f.GiveUp(t.Context(), f.Current(), 4); err != nil {
		t.Fatal(err)
	}
	if entries, _ := f.checkChain(); len(entries) != 4 {
		t.Errorf("%d entries after giving up what can be read", len(entries))
	}
}

func TestALostTailIsFoundOnOpening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	f := open(t, path, Options{})
	f.append(5, 50)
	if err := f.db.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.ExecContext(t.Context(), `DELETE FROM entries WHERE number = 5`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	f = open(t, path, Options{})
	held, err := f.Held(t.Context())
	if err != nil || len(held) != 2 || held[0].Last != 4 || held[1].Journal.Generation != 2 || held[1].Last != 0 {
		t.Errorf("held is %+v, %v", held, err)
	}
	stated, err := f.Statements(t.Context())
	if err != nil || len(stated) != 1 || stated[0].Kind != wire.StatementTailLost || stated[0].Number != 4 || stated[0].Journal != held[0].Journal {
		t.Errorf("stated is %+v, %v", stated, err)
	}
	f.append(1, 10)
	f.Close()
	if f = open(t, path, Options{}); f.Current().Generation != 2 {
		t.Errorf("the journal after one more start is %s", f.Current())
	}
}

func TestAFileThatIsNoDatabaseIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{Device: device}); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("opening gives %v", err)
	}
	aside, err := SetAside(path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(aside); err != nil {
		t.Error(err)
	}
	g := open(t, path, Options{Generation: 1, Wiped: "the file was damaged"})
	stated, err := g.Statements(t.Context())
	if err != nil || len(stated) != 1 || stated[0].Kind != wire.StatementWiped || g.Current().Generation != 2 || !g.Blind() {
		t.Errorf("the new journal is %s, blind %v, and states %+v, %v", g.Current(), g.Blind(), stated, err)
	}
}

func TestMarksComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	f := open(t, path, Options{})
	epoch := calms.NewEpoch()
	f.append(3, 10)
	f.SetEpoch(epoch)
	f.Acknowledge(1, 2, 1)
	f.append(1, 10)
	f.Close()
	f = open(t, path, Options{})
	if f.Epoch() != epoch || f.marks.cursor[1] != 2 || f.marks.covered[1] != 1 {
		t.Errorf("marks are %+v", f.marks)
	}
	f.SetEpoch(calms.NewEpoch())
	if f.marks.cursor[1] != 0 {
		t.Error("another epoch did not forget the acknowledgements")
	}
}

func TestAFailedAppendLeavesTheNumberFree(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "journal.db"), Options{})
	f.append(2, 10)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Append(cancelled, f.sealer(), Record{Kind: wire.KindBatch}); err == nil {
		t.Fatal("an append under a cancelled context was stored")
	}
	f.append(1, 10)
	if entries, _ := f.checkChain(); len(entries) != 3 {
		t.Errorf("%d entries", len(entries))
	}
}
