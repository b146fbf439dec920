package ingest_test

import (
	"slices"
	"testing"

	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/wire"
)

func TestGapsFollowTheCursor(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c).talk()
	for range 9 {
		e.measure(10)
	}
	for _, step := range []struct {
		name        string
		first, last uint64
		cursor      uint64
		rewind      bool
	}{
		{"above the cursor", 3, 4, 0, true},
		{"from the cursor on", 1, 2, 2, false},
		{"once more", 1, 2, 2, false},
		{"below", 1, 1, 2, false},
		{"across the cursor", 2, 5, 2, true},
		{"the next one", 3, 3, 3, false},
		{"backwards", 4, 3, 3, false},
		{"of nothing", 4, 0, 3, false},
	} {
		if a := e.lose(step.first, step.last); a.Number != step.cursor || a.Rewind != step.rewind || a.Forked {
			t.Errorf("%s: the answer is %+v", step.name, a)
		}
	}
	if a := e.deliver(e.entries[3:5]...); a.Number != 5 {
		t.Errorf("entries after a gap give %+v", a)
	}
	gaps := c.state().Gaps
	if len(gaps) != 2 || gaps[0].Samples != 20 || gaps[1].Samples != 10 || gaps[0].Reason != "evicted" {
		t.Errorf("the ledger is %+v", gaps)
	}
	want := ingest.Counts{Entries: 2, Samples: 20, Gaps: 2, Lost: 30}
	if got := c.Counts(); got.Gaps != want.Gaps || got.Lost != want.Lost || got.Entries != want.Entries || c.raised(ingest.AlarmLoss) != 2 {
		t.Errorf("counts are %+v, alarms %v", got, c.alarms)
	}
}

func TestForgedGapsAreDropped(t *testing.T) {
	c := newCloud(t)
	e, other := newEdge(c).talk(), newEdge(c).talk()
	e.deliver(e.measure(10))
	e.measure(10)
	with := func(change func(*wire.Gap)) []byte {
		var gap wire.Gap
		check(t, wire.Decode("gap", e.gap(2, 2), &gap))
		change(&gap)
		return wire.Encode(gap)
	}
	other.measure(1)
	honest := *e
	honest.journal = other.journal // sealed well, about another device's journal
	endless := *e
	endless.entries = slices.Clone(e.entries)
	endless.entries[1].Total = 1 << 63
	for name, payload := range map[string][]byte{
		"nothing":                               nil,
		"no CBOR":                               []byte("gap"),
		"first":                                 with(func(g *wire.Gap) { g.First = 1 }),
		"last":                                  with(func(g *wire.Gap) { g.Last = 99 }),
		"last out of range":                     with(func(g *wire.Gap) { g.Last = 1 << 63 }),
		"hash":                                  with(func(g *wire.Gap) { g.LastHash[0] ^= 1 }),
		"total":                                 with(func(g *wire.Gap) { g.Total = 0 }),
		"attempt":                               with(func(g *wire.Gap) { g.Attempt++ }),
		"generation":                            with(func(g *wire.Gap) { g.Journal.Generation++ }),
		"generation out of range":               with(func(g *wire.Gap) { g.Journal = huge(g.Journal) }),
		"journal":                               with(func(g *wire.Gap) { g.Journal = other.journal }),
		"sealed":                                with(func(g *wire.Gap) { g.Sealed = nil }),
		"another's":                             other.gap(1, 1),
		"of another's journal":                  honest.gap(1, 1),
		"of another's journal, session unknown": with(func(g *wire.Gap) { g.Journal, g.Session = other.journal, wire.Hash{1} }),
		"samples out of range":                  endless.gap(2, 2),
		"far out of range":                      e.gap(2, 1<<63),
	} {
		t.Run(name, func(t *testing.T) { c.dropped(t, e.device, wire.StreamGap, payload) })
	}
	if a := e.lose(2, 2); a.Number != 2 {
		t.Errorf("the genuine gap gives %+v", a)
	}
}

// A gap may be told under a session that the cloud has not seen.
func TestGapOfAnUnknownSession(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c).talk()
	e.measure(4)
	old := e.session
	e.newSession()
	payload, young := e.gap(1, 1), e.session
	e.session = old
	e.send(wire.StreamGap, payload)
	if a := e.answer(); a.Number != 0 || !a.Rewind || !slices.Equal(a.Need, []wire.Hash{young.Name()}) {
		t.Errorf("the answer is %+v", a)
	}
	e.sendObjects(young.Object())
	e.send(wire.StreamGap, payload)
	if a := e.answer(); a.Number != 1 || a.Rewind {
		t.Errorf("with its session it gives %+v", a)
	}
	c.restart()
	e.session = young
	e.hello()
	e.measure(1)
	if a := e.lose(2, 2); a.Number != 2 {
		t.Errorf("after a restart it gives %+v", a)
	}
}
