package endtoend

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

// attacker is what a captured broker may try. It is called by one at a time.
type attacker struct {
	random  *rand.Rand
	devices []calms.DeviceID
	past    []message
	held    []message
	done    map[string]int // what was tried
}

// twist is what comes out of the broker in the place of m.
func (a *attacker) twist(m message) []message {
	a.past = append(a.past, m)
	tricks := []struct {
		name string
		do   func(message) []message
	}{
		{"dropped", func(message) []message { return nil }},
		{"doubled", func(m message) []message { return []message{m, m} }},
		{"changed", func(m message) []message { return []message{a.changed(m), m} }},
		{"replaced", func(m message) []message { return []message{a.changed(m)} }},
		{"forged", func(m message) []message { return append(a.forged(m), m) }},
		{"replayed", func(m message) []message { return []message{a.old(m), m, a.old(m)} }},
		{"re-attributed", func(m message) []message { return []message{a.another(m), m} }},
		{"held back", func(m message) []message { a.held = append(a.held, m); return nil }},
	}
	if a.random.IntN(3) == 0 {
		return append([]message{m}, a.release()...)
	}
	trick := tricks[a.random.IntN(len(tricks))]
	a.done[trick.name]++
	return trick.do(m)
}

// release lets go what was held back, in the wrong order.
func (a *attacker) release() []message {
	held := a.held
	a.held = nil
	slices.Reverse(held)
	return held
}

// changed has one bit turned.
func (a *attacker) changed(m message) message {
	m.payload = slices.Clone(m.payload)
	m.payload[a.random.IntN(len(m.payload))] ^= 1 << a.random.IntN(8)
	return m
}

// old is an earlier message of the same way.
func (a *attacker) old(m message) message {
	for range 100 {
		if past := a.past[a.random.IntN(len(a.past))]; past.device == m.device && past.up == m.up {
			return past
		}
	}
	return m
}

// another says that the message is of, or to, another device.
func (a *attacker) another(m message) message {
	m.device = a.devices[(slices.Index(a.devices, m.device)+1)%len(a.devices)]
	return m
}

// forged is well-formed and says something else.
func (a *attacker) forged(m message) []message {
	var entries wire.Entries
	var cursor wire.Cursor
	switch {
	case m.stream == wire.StreamEntries && wire.Decode("entries", m.payload, &entries) == nil:
		return a.forgedEntries(m, entries)
	case m.stream == wire.StreamCursor && wire.Decode("cursor", m.payload, &cursor) == nil:
		return a.forgedCursor(m, cursor)
	}
	return []message{a.changed(m)}
}

// forgedEntries are entries of other content, others that follow nothing, and
// the statement that all of them are lost.
func (a *attacker) forgedEntries(m message, entries wire.Entries) []message {
	newest := entries.Entries[len(entries.Entries)-1]
	gap := wire.Gap{GapHeader: wire.GapHeader{
		Journal: entries.Journal, First: entries.Entries[0].Number, Last: newest.Number,
		LastHash: newest.Hash(entries.Journal), Total: newest.Total, Session: newest.Session, Attempt: entries.Attempt,
	}, Sealed: newest.Sealed}
	content := slices.Clone(entries.Entries)
	content[0].Sealed = slices.Clone(content[0].Sealed)
	content[0].Sealed[a.random.IntN(len(content[0].Sealed))] ^= 1
	chain := slices.Clone(entries.Entries)
	chain[0].Prev[a.random.IntN(len(chain[0].Prev))] ^= 1
	moved := slices.Clone(entries.Entries)
	for i := range moved {
		moved[i].Number++
	}
	forged := []message{{m.device, true, wire.StreamGap, wire.Encode(gap)}}
	for _, e := range [][]wire.Entry{content, chain, moved} {
		forged = append(forged, message{m.device, true, m.stream,
			wire.Encode(wire.Entries{Journal: entries.Journal, Attempt: entries.Attempt, Entries: e})})
	}
	return forged
}

// forgedCursor acknowledges what the cloud does not have.
func (a *attacker) forgedCursor(m message, cursor wire.Cursor) []message {
	var body wire.CursorBody
	if wire.Decode("cursor", cursor.Body, &body) != nil {
		return nil
	}
	body.Counter++
	body.Number += 1000
	body.Covered = body.Number
	m.payload = wire.Encode(wire.Cursor{Body: wire.Encode(body), MAC: cursor.MAC})
	return []message{m}
}

// attacked is how long the attack lasts: longer than any silence in which
// cloud and edge wait for each other.
const attacked = 25 * time.Second

// TestHostileBrokerChangesNothing: it can drop and delay, and that is all.
func TestHostileBrokerChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.newCloud("cloud", "")
	c.found()
	one, two := c.newEdge("comp-1", calm), c.newEdge("comp-2", calm)
	b := c.capture(one, two)
	a := &attacker{random: rand.New(rand.NewPCG(seed(t), 0)), done: map[string]int{}}
	for id := range b.sites {
		a.devices = append(a.devices, id)
	}
	slices.Sort(a.devices)
	for _, e := range []*edge{one, two} {
		e.start()
		e.measures(2)
	}
	b.attack(a.twist)
	time.Sleep(attacked)
	t.Logf("tried: %v", a.tried(b))
	if !c.alarmed("message-dropped") {
		t.Error("the cloud does not say that somebody forges")
	}
	if s, ok := one.status(); !ok || s.Uplink.Refused == 0 {
		t.Errorf("the edge refused nothing: %+v", s.Uplink)
	}
	b.attack(nil)
	for _, e := range []*edge{one, two} {
		e.measures(2)
		e.drain()
		d, _ := c.device(e.path())
		if len(d.Journals) != 1 || d.Journals[0].Quarantined != "" || len(d.Gaps) > 0 {
			t.Errorf("%s: journals %+v, gaps %+v", e.name, d.Journals, d.Gaps)
		}
	}
	c.exact(one, two)
}

// tried is what was tried, while nobody tries more.
func (a *attacker) tried(b *captured) map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return a.done
}
