package ingest_test

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/wire"
)

func TestEntriesAreStoredAndAcknowledged(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c).talk()
	anchor := e.append(wire.KindAnchor, wire.Encode(wire.Anchor{Boot: [16]byte{1}, UTC: 1_000_000, Error: 1}), 0)
	config := e.append(wire.KindConfig, wire.Encode(wire.Config{Version: "1.0", Reason: "first start"}), 0)
	measured := e.measure(5)
	a := e.deliver(anchor, config, measured)
	if a.Number != 3 || a.Hash != measured.Hash(e.journal) || a.Rewind || a.Forked || len(a.Need) > 0 {
		t.Errorf("the answer is %+v", a)
	}
	if got := c.Counts(); got != (ingest.Counts{Entries: 3, Samples: 5}) {
		t.Errorf("counts are %+v", got)
	}
	result, err := c.history.Query(context.Background(), e.device, "flow", 0, 1<<40, 10)
	if err != nil || len(result.Samples) != 5 || result.Samples[0].Time != 1_002_000 {
		t.Errorf("the history has %+v, %v", result, err)
	}
	if !reflect.DeepEqual(c.described[e.device], channels) {
		t.Errorf("described are %+v", c.described[e.device])
	}
}

func TestTheCursorDecides(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c).talk()
	for range 6 {
		e.measure(1)
	}
	n := e.entries
	for _, step := range []struct {
		name    string
		entries []wire.Entry
		cursor  uint64
		rewind  bool
	}{
		{"the second before the first", n[1:2], 0, true},
		{"the first two", n[:2], 2, false},
		{"duplicates", n[:2], 2, false},
		{"far ahead", n[4:], 2, true},
		{"old ones and the next", n[:3], 3, false},
		{"with a hole", []wire.Entry{n[3], n[5]}, 4, true},
		{"in reverse", []wire.Entry{n[5], n[4]}, 4, true},
		{"nothing", nil, 4, false},
		{"twice in one message", []wire.Entry{n[4], n[4]}, 5, true},
		{"the rest", n[5:], 6, false},
	} {
		a := e.deliver(step.entries...)
		if a.Number != step.cursor || a.Rewind != step.rewind || a.Forked {
			t.Errorf("%s: the answer is %+v", step.name, a)
		}
	}
	if s := c.state(); s.Samples != 6 || s.Journals[0].Samples != 6 || c.Counts().Entries != 6 {
		t.Errorf("the state is %+v, counts are %+v", s, c.Counts())
	}
	if c.raised("message-dropped") != 0 {
		t.Error("an honest device was called a forger")
	}
}

func TestForgedEntriesAreDropped(t *testing.T) {
	c := newCloud(t)
	e, other := newEdge(c).talk(), newEdge(c).talk()
	e.deliver(e.measure(1))
	good := e.measure(2)
	with := func(change func(*wire.Entry)) []byte {
		forged := good
		forged.Sealed = bytes.Clone(good.Sealed)
		change(&forged)
		return e.message(forged)
	}
	foreign := other.measure(2)
	for name, payload := range map[string][]byte{
		"nothing":              nil,
		"no CBOR":              []byte("entries"),
		"newer version":        append([]byte{wire.Version + 1}, e.message(good)[1:]...),
		"cut off":              e.message(good)[:50],
		"sealed bytes":         with(func(e *wire.Entry) { e.Sealed[20] ^= 1 }),
		"no sealed bytes":      with(func(e *wire.Entry) { e.Sealed = nil }),
		"previous hash":        with(func(e *wire.Entry) { e.Prev[0] ^= 1 }),
		"total":                with(func(e *wire.Entry) { e.Total += 1000 }),
		"total out of range":   with(func(e *wire.Entry) { e.Total = 1 << 63 }),
		"kind":                 with(func(e *wire.Entry) { e.Kind = wire.KindConfig }),
		"number":               e.message(renumbered(e.entries[0], 2)),
		"foreign journal":      wire.Encode(wire.Entries{Journal: other.journal, Entries: []wire.Entry{foreign}}),
		"another's entry":      wire.Encode(wire.Entries{Journal: e.journal, Entries: []wire.Entry{under(e, renumbered(foreign, 2))}}),
		"generation":           wire.Encode(wire.Entries{Journal: huge(e.journal), Entries: []wire.Entry{renumbered(good, 1)}}),
		"in another's name":    other.message(foreign),
		"another journal":      wire.Encode(wire.Entries{Journal: wire.JournalID{Device: e.device, Generation: 2}, Entries: e.entries[:1]}),
		"behind a genuine one": e.message(good, e.forge(3)),
	} {
		t.Run(name, func(t *testing.T) { c.dropped(t, e.device, wire.StreamEntries, payload) })
	}
	if a := e.deliver(good); a.Number != 2 {
		t.Errorf("the genuine entry gives %+v", a)
	}
}

func renumbered(e wire.Entry, number uint64) wire.Entry {
	e.Number = number
	return e
}

// under claims that an entry is sealed under the session of e.
func under(e *edge, foreign wire.Entry) wire.Entry {
	foreign.Session, foreign.Objects = e.session.Name(), []wire.Hash{wire.ObjectName(e.list)}
	return foreign
}

// forge is an entry that nobody sealed.
func (e *edge) forge(number uint64) wire.Entry {
	h := wire.Header{Number: number, Kind: wire.KindBatch, Prev: e.head(), Total: e.total + 1, Session: e.session.Name()}
	return wire.Entry{Header: h, Sealed: make([]byte, 64)}
}

// What is sealed well and says nonsense: the cursor waits before it, and nobody
// is asked to send it again in a loop.
func TestUnreadableEntriesAreDropped(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c).talk()
	e.deliver(e.measure(1))
	second := e.session.SealChannels([]wire.Channel{{Name: "other"}})
	e.sendObjects(second)
	list := wire.ObjectName(e.list)
	newer := e.encode(0, 1)
	newer[0] = batch.Version + 1
	for name, entry := range map[string]func() wire.Entry{
		"no list":                  func() wire.Entry { return e.append(wire.KindBatch, e.encode(0, 1), 1) },
		"two lists":                func() wire.Entry { return e.append(wire.KindBatch, e.encode(0, 1), 1, list, wire.ObjectName(second)) },
		"the same list twice":      func() wire.Entry { return e.append(wire.KindBatch, e.encode(0, 1), 1, list, list) },
		"channel out of range":     func() wire.Entry { return e.append(wire.KindBatch, e.encode(2, 1), 1, list) },
		"batch of a newer version": func() wire.Entry { return e.append(wire.KindBatch, newer, 1, list) },
		"no batch":                 func() wire.Entry { return e.append(wire.KindBatch, []byte("x"), 1, list) },
		"empty batch":              func() wire.Entry { return e.append(wire.KindBatch, nil, 1, list) },
		"no anchor":                func() wire.Entry { return e.append(wire.KindAnchor, []byte("x"), 0) },
		"no config":                func() wire.Entry { return e.append(wire.KindConfig, []byte("x"), 0) },
		"anchor out of bounds":     func() wire.Entry { return e.append(wire.KindAnchor, wire.Encode(wire.Anchor{Error: -1}), 0) },
		"unknown kind":             func() wire.Entry { return e.append(9, []byte("x"), 0) },
		"total out of range":       func() wire.Entry { e.total = 1 << 63; return e.append(wire.KindConfig, wire.Encode(wire.Config{}), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			total := e.total
			c.dropped(t, e.device, wire.StreamEntries, e.message(entry()))
			e.entries, e.total = e.entries[:1], total
		})
	}
	if a := e.deliver(e.measure(1)); a.Number != 2 {
		t.Errorf("a good entry gives %+v", a)
	}
}

func TestBadObjectsAreDropped(t *testing.T) {
	c := newCloud(t)
	e, other := newEdge(c).talk(), newEdge(c).talk()
	forged, err := wire.DecodeChannels(e.list)
	check(t, err)
	forged.Sealed = bytes.Clone(forged.Sealed)
	forged.Sealed[len(forged.Sealed)-1] ^= 1
	objects := map[string][]byte{
		"nothing": {}, "no object": []byte("object"), "forged list": wire.Encode(forged), "list of another device": other.list,
		"session of another device": other.session.Object(),
	}
	for _, name := range []string{"", "Flow", "a/b", "../x", "flow ", "-", strings.Repeat("x", 1000), "tür"} {
		objects["channel "+name] = e.session.SealChannels([]wire.Channel{{Name: "good"}, {Name: name}})
	}
	for name, object := range objects {
		t.Run(name, func(t *testing.T) {
			c.dropped(t, e.device, wire.StreamObjects, wire.Encode(wire.Objects{Objects: [][]byte{object}}))
		})
	}
	t.Run("no message", func(t *testing.T) { c.dropped(t, e.device, wire.StreamObjects, []byte{wire.Version, 0x80}) })
}

func TestUnknownObjectsAreAskedFor(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c)
	e.hello()
	first := e.measure(1)
	if a := e.deliver(first); a.Number != 0 || !a.Rewind || !slices.Equal(a.Need, []wire.Hash{wire.ObjectName(e.list)}) {
		t.Errorf("a list that is not known gives %+v", a)
	}
	e.sendObjects(e.list)
	// The second entry is of a session that was drawn on the way: what comes
	// before it is stored.
	old := e.session
	e.newSession()
	second := e.measure(1)
	young := e.session
	e.session = old
	a := e.deliver(first, second)
	want := []wire.Hash{young.Name(), wire.ObjectName(e.list)}
	if a.Number != 1 || !a.Rewind || !slices.Equal(a.Need, want) {
		t.Errorf("a session that is not known gives %+v", a)
	}
	e.sendObjects(young.Object(), e.list)
	if a := e.deliver(second); a.Number != 2 || a.Rewind || len(a.Need) > 0 {
		t.Errorf("with its objects it gives %+v", a)
	}
	if c.raised("message-dropped") != 0 {
		t.Error("an honest device was called a forger")
	}
}

// After a restart the sessions are in the history: what is sealed under them
// goes on, entries as well as lists of channels.
func TestRestartFindsSessionsInTheHistory(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c).talk()
	e.deliver(e.measure(1))
	note := e.append(wire.KindConfig, wire.Encode(wire.Config{Reason: "x"}), 0)
	second := e.measure(1)
	list := e.list
	c.restart()

	// Before the next hello there is no key that the edge would believe.
	e.send(wire.StreamEntries, e.message(note))
	if down := c.heard(e.device); len(down) != 0 || c.cursor(e.journal) != 2 {
		t.Errorf("%d answers, the cursor is at %d", len(down), c.cursor(e.journal))
	}
	c.restart()
	e.newSession() // as after a start of the edge
	e.hello()
	e.sendObjects(list)
	if a := e.deliver(second); a.Number != 3 || c.raised("message-dropped") != 0 {
		t.Errorf("the answer is %+v, alarms are %v", a, c.alarms)
	}
}

func TestForkIsRefusedAndNamed(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c).talk()
	e.deliver(e.measure(1))
	clone := *e
	clone.entries = slices.Clone(e.entries)
	mine, its := e.measure(1), clone.measure(2)
	if a := e.deliver(mine); a.Number != 2 {
		t.Fatalf("the answer is %+v", a)
	}
	third := clone.measure(1)
	if a := clone.deliver(third); a.Number != 2 || !a.Forked || a.Hash != mine.Hash(e.journal) {
		t.Errorf("the branch gives %+v", a)
	}
	statements := c.state().Statements
	if len(statements) != 1 || statements[0].Kind != wire.StatementBranch || statements[0].Number != 3 || statements[0].Hash != third.Hash(e.journal) {
		t.Errorf("the branch is named %+v", statements)
	}
	if c.raised(ingest.AlarmFork) != 1 || c.Counts().Forks != 1 {
		t.Errorf("alarms are %v, counts %+v", c.alarms, c.Counts())
	}
	if a := clone.deliver(its); a.Forked || a.Number != 2 {
		t.Errorf("a number that is stored gives %+v", a)
	}
	// The journal goes on for whoever follows the cursor.
	if a := e.deliver(e.measure(1)); a.Number != 3 || a.Forked {
		t.Errorf("the original gets %+v", a)
	}
}
