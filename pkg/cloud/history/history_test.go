package history

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/wire"
)

const device = calms.DeviceID("d-aaaaaaaaaaaaaaaa")

var (
	bootA = [16]byte{0xa}
	bootB = [16]byte{0xb}
)

type fixture struct {
	*History
	t     *testing.T
	codec *batch.Codec
}

func open(t *testing.T, path string) fixture {
	t.Helper()
	h, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return fixture{h, t, h.codec}
}

func fresh(t *testing.T) fixture { return open(t, filepath.Join(t.TempDir(), "history.db")) }

func journal(generation uint64) wire.JournalID {
	return wire.JournalID{Device: device, Generation: generation, Random: [8]byte{byte(generation)}}
}

// script makes the steps of one journal.
type script struct {
	f     fixture
	id    wire.JournalID
	next  uint64
	hash  wire.Hash
	total uint64
}

func (f fixture) script(generation uint64) *script {
	return &script{f: f, id: journal(generation), next: 1}
}

func (s *script) step(kind wire.EntryKind, samples int) replica.Step {
	st := replica.Step{Number: s.next, Prev: s.hash, Hash: wire.Hash{byte(s.next), byte(s.id.Generation), 1}, Kind: kind}
	s.total += uint64(samples)
	s.next, s.hash, st.Total = s.next+1, st.Hash, s.total
	return st
}

func (s *script) anchor(boot [16]byte, offset, err int64) replica.Step {
	st := s.step(wire.KindAnchor, 0)
	st.Anchor = &wire.Anchor{Boot: boot, UTC: offset, Error: err}
	st.Content = wire.Encode(st.Anchor)
	return st
}

// batch has one sample of the channel flow at each time, with that value.
func (s *script) batch(boot [16]byte, times ...int64) replica.Step {
	b := batch.Batch{Boot: boot, Columns: []batch.Column{{Channel: 0}, {Channel: 1}}}
	for _, t := range times {
		b.Columns[0].Append(calms.Sample{Time: t, Value: float64(t)})
		b.Columns[1].Append(calms.Sample{Time: t, Value: -float64(s.next)})
	}
	st := s.step(wire.KindBatch, 2*len(times))
	encoded, err := s.f.codec.Encode(b)
	if err != nil {
		s.f.t.Fatal(err)
	}
	st.Content, st.Batch = encoded, &b
	st.Channels = []wire.Channel{{Name: "flow", Unit: "m³/h"}, {Name: "entry"}}
	return st
}

func (f fixture) commit(id wire.JournalID, steps ...replica.Step) replica.Outcome {
	f.t.Helper()
	out, err := f.Commit(f.t.Context(), id, steps, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f fixture) query(channel string, from, to int64, limit int) Result {
	f.t.Helper()
	r, err := f.Query(f.t.Context(), device, channel, from, to, limit)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func times(samples []calms.Sample) (text string) {
	for _, s := range samples {
		text += fmt.Sprint(s.Time, " ")
	}
	return text
}

func TestTheCursorMovesByOneOrNotAtAll(t *testing.T) {
	f := fresh(t)
	s := f.script(1)
	steps := []replica.Step{s.anchor(bootA, 1000, 1), s.batch(bootA, 1, 2), s.batch(bootA, 3), s.batch(bootA, 4)}
	if out := f.commit(s.id, steps[1]); !out.Ahead || out.Stored != 0 || out.Cursor.Number != 0 {
		t.Errorf("an entry ahead gives %+v", out)
	}
	if out := f.commit(s.id, steps[:3]...); out.Stored != 3 || out.Samples != 6 || out.Cursor.Number != 3 || out.Cursor.Total != 6 {
		t.Errorf("three entries give %+v", out)
	}
	if out := f.commit(s.id, steps...); out.Stored != 1 || out.Duplicates != 3 || out.Cursor.Number != 4 {
		t.Errorf("repeated entries give %+v", out)
	}
	fork := f.script(1)
	fork.next, fork.hash = 5, wire.Hash{99}
	if out := f.commit(s.id, fork.batch(bootA, 9)); !out.Forked || out.Cursor.Number != 4 {
		t.Errorf("a fork gives %+v", out)
	}
	journals, err := f.Journals(t.Context(), device)
	if err != nil || len(journals) != 1 || !strings.Contains(journals[0].Forked, "entry 5 is refused") {
		t.Errorf("the journal is %+v, %v", journals, err)
	}
	if out := f.commit(s.id, s.batch(bootA, 10)); out.Stored != 1 || out.Forked {
		t.Errorf("the true next entry gives %+v", out)
	}
	if r := f.query("flow", 0, MaxTime, 100); times(r.Samples) != "1001 1002 1003 1004 1010 " {
		t.Errorf("stored is %s", times(r.Samples))
	}
}

func TestAGapMovesTheCursorToItsEnd(t *testing.T) {
	f := fresh(t)
	s := f.script(1)
	f.commit(s.id, s.batch(bootA, 1), s.batch(bootA, 2))
	gap := replica.Gap{First: 4, Last: 9, Hash: wire.Hash{9}, Total: 24, Reason: "evicted"}
	commit := func(first uint64) replica.Outcome {
		g := gap
		g.First = first
		out, err := f.CommitGap(t.Context(), s.id, g)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := commit(4); !out.Ahead || out.Cursor.Number != 2 {
		t.Errorf("a gap ahead gives %+v", out)
	}
	if out := commit(2); !out.Ahead || out.Cursor.Number != 2 {
		t.Errorf("a gap over what is stored gives %+v", out)
	}
	if out := commit(3); out.Lost != 20 || out.Cursor.Number != 9 || out.Cursor.Hash != gap.Hash {
		t.Errorf("the gap gives %+v", out)
	}
	if out := commit(3); out.Duplicates != 1 || out.Lost != 0 || out.Ahead {
		t.Errorf("the same gap gives %+v", out)
	}
	s.next, s.hash, s.total = 10, gap.Hash, gap.Total
	if out := f.commit(s.id, s.batch(bootA, 20)); out.Stored != 1 {
		t.Errorf("the entry after the gap gives %+v", out)
	}
	gaps, err := f.Gaps(t.Context(), device)
	if err != nil || len(gaps) != 1 || gaps[0].Samples != 20 || gaps[0].First != 3 || gaps[0].Last != 9 {
		t.Errorf("the ledger is %+v, %v", gaps, err)
	}
}

func TestBatchesWaitForTheirAnchorAndTakeTheBest(t *testing.T) {
	f := fresh(t)
	s := f.script(1)
	f.commit(s.id, s.batch(bootA, 1, 2))
	if r := f.query("flow", 0, MaxTime, 10); len(r.Samples) != 0 || r.Unplaced != 4 {
		t.Errorf("without an anchor: %+v", r)
	}
	f.commit(s.id, s.anchor(bootA, 1000, 50))
	f.commit(s.id, s.anchor(bootA, 3000, 50))
	if r := f.query("flow", 0, MaxTime, 10); times(r.Samples) != "1001 1002 " || r.Unplaced != 0 {
		t.Errorf("with an anchor: %+v", r)
	}
	f.commit(s.id, s.anchor(bootA, 2000, 5))
	if r := f.query("flow", 0, MaxTime, 10); times(r.Samples) != "2001 2002 " {
		t.Errorf("with a better one: %+v", r)
	}
}

func TestOfTwoAtOneTimeTheLaterJournalWins(t *testing.T) {
	f := fresh(t)
	s, s2 := f.script(1), f.script(2)
	f.commit(s.id, s.anchor(bootA, 1000, 1), s.batch(bootA, 1, 2, 3))
	f.commit(s2.id, s2.anchor(bootB, 1100, 1), s2.batch(bootB, -98, -97))
	r := f.query("flow", 0, MaxTime, 10)
	if times(r.Samples) != "1001 1002 1003 " || r.Losers != 2 {
		t.Fatalf("result is %+v", r)
	}
	if r.Samples[1].Value != -98 || r.Samples[2].Value != -97 || r.Samples[0].Value != 1 {
		t.Errorf("values are %+v", r.Samples)
	}
	// Within a journal the higher number wins.
	f.commit(s2.id, s2.batch(bootB, -98))
	if r := f.query("entry", 0, MaxTime, 10); r.Samples[1].Value != -3 {
		t.Errorf("entries are %+v", r.Samples)
	}
}

func TestRangesLimitsAndDigests(t *testing.T) {
	f := fresh(t)
	s := f.script(1)
	day := int64(24 * time.Hour)
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	f.commit(s.id, s.anchor(bootA, base, 1))
	var want int
	for _, at := range []int64{0, day / 2, 3 * day, 90 * day, 90*day + 1} {
		f.commit(s.id, s.batch(bootA, at, at+10, at+20))
		want += 3
	}
	if r := f.query("flow", 0, MaxTime, 100); len(r.Samples) != want || r.Truncated {
		t.Errorf("%d samples of %d, truncated %v", len(r.Samples), want, r.Truncated)
	}
	if r := f.query("flow", 0, MaxTime, 4); !r.Truncated || len(r.Samples) != 4 || r.Samples[3].Time != base+90*day+21 {
		t.Errorf("the newest four are %s", times(r.Samples))
	}
	if r := f.query("flow", base+10, base+day, 100); len(r.Samples) != 5 {
		t.Errorf("the first day without its first sample has %s", times(r.Samples))
	}
	if r := f.query("nothing", 0, MaxTime, 100); len(r.Samples) != 0 {
		t.Errorf("an unknown channel has %s", times(r.Samples))
	}
	var walked []calms.Sample
	if _, err := f.Walk(t.Context(), device, "flow", -MaxTime, math.MaxInt64, func(s calms.Sample) error { walked = append(walked, s); return nil }); err != nil {
		t.Fatal(err)
	}
	if all := f.query("flow", 0, MaxTime, 100); times(walked) != times(all.Samples) {
		t.Errorf("walked %s, queried %s", times(walked), times(all.Samples))
	}
	digests, err := f.Digest(t.Context(), device, "flow", base, base+30, 3)
	if err != nil || len(digests) != 3 || digests[1].Count != 1 || digests[1].Min != 10 || digests[2].Mean != 20 || digests[0].Start != base {
		t.Errorf("the digest is %+v, %v", digests, err)
	}
	empty, err := f.Digest(t.Context(), device, "flow", base+day/4, base+day/4+10, 1)
	if err != nil || empty[0].Count != 0 || !math.IsNaN(empty[0].Mean) {
		t.Errorf("an empty digest is %+v, %v", empty, err)
	}
}

func TestEpochStaysUntilItIsDrawnAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	f := open(t, path)
	first := f.Epoch()
	f.Close()
	f = open(t, path)
	if f.Epoch() != first {
		t.Error("the epoch changed with a restart")
	}
	if second, err := f.NewEpoch(t.Context()); err != nil || second == first || f.Epoch() != second {
		t.Errorf("a new epoch is %s, %v", second, err)
	}
}

func TestTailTellsWhatIsStoredAndNothingTwice(t *testing.T) {
	f := fresh(t)
	s := f.script(1)
	anchor, one, two := s.anchor(bootA, 1000, 1), s.batch(bootA, 1), s.batch(bootA, 2)
	f.commit(s.id, anchor)
	got := make(chan string, 10)
	go f.Tail(t.Context(), func(d calms.DeviceID, channel string, s calms.Sample) error {
		got <- fmt.Sprintf("%s %s %d %v", d, channel, s.Time, s.Value)
		return nil
	})
	for started := false; !started; {
		f.tails.mu.Lock()
		started = len(f.tails.readers) == 1
		f.tails.mu.Unlock()
	}
	f.commit(s.id, one)
	f.commit(s.id, one, two)
	for _, want := range []string{"flow 1001 1", "entry 1001 -2", "flow 1002 2", "entry 1002 -3"} {
		if line := <-got; line != string(device)+" "+want {
			t.Errorf("told %q, want %q", line, want)
		}
	}
}

func TestOutOfBoundsIsRefusedWhole(t *testing.T) {
	f := fresh(t)
	s := f.script(1)
	good, bad := s.batch(bootA, 1), s.batch(bootA, math.MinInt64, math.MaxInt64)
	if _, err := f.Commit(t.Context(), s.id, []replica.Step{good, bad}, nil); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("a batch over all time gives %v", err)
	}
	if c, err := f.Position(t.Context(), s.id); err != nil || c.Number != 0 {
		t.Errorf("the cursor is %+v, %v", c, err)
	}
}
