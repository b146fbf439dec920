package ingest_test

import (
	"testing"

	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/wire"
)

// handedOut is the ids of the keys that a welcome names, newest first.
func (e *edge) handedOut() (ids []string) {
	e.t.Helper()
	for _, k := range e.hello().IngestKeys {
		ids = append(ids, k.ID)
	}
	return ids
}

// A new ingest key is used only when a snapshot holds it, whatever else happens;
// what was sealed to the old one is opened for ever.
func TestKeyRotation(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c).talk()
	e.deliver(e.measure(1))
	first := e.handedOut()
	before, err := ingest.Marks(t.Context(), c.DB().Read())
	check(t, err)
	_, err = c.RotateKey(t.Context())
	check(t, err)
	pending := func(when string) {
		t.Helper()
		if ids := e.handedOut(); len(ids) != 1 || ids[0] != first[0] || len(c.Keys()) != 1 {
			t.Errorf("%s the keys are %v", when, ids)
		}
	}
	pending("before any snapshot")
	check(t, c.ConfirmKeys(t.Context(), before))
	pending("after a snapshot of before")
	check(t, c.ConfirmKeys(t.Context(), map[string]string{"other": "marks"}))
	check(t, c.ConfirmKeys(t.Context(), nil))
	pending("after marks of something else")
	c.restart()
	pending("after a restart")

	marks, err := ingest.Marks(t.Context(), c.DB().Read())
	check(t, err)
	for range 2 {
		check(t, c.ConfirmKeys(t.Context(), marks))
	}
	ids := e.handedOut()
	if len(ids) != 2 || ids[0] == first[0] || ids[1] != first[0] {
		t.Fatalf("after the snapshot that holds it the keys are %v, were %v", ids, first)
	}
	e.sendObjects(e.list)
	if a := e.deliver(e.measure(1)); a.Number != 2 {
		t.Errorf("a session of the old key gives %+v", a)
	}
	old := e.message(e.measure(1))
	e.newSession()
	if object, err := wire.DecodeSession(e.session.Object()); err != nil || object.IngestKey != ids[0] {
		t.Fatalf("the new session is wrapped to %q, %v", object.IngestKey, err)
	}
	c.restart()
	e.hello()
	e.send(wire.StreamEntries, old)
	if a := e.answer(); a.Number != 2 || len(a.Need) != 1 {
		t.Errorf("after a restart the answer is %+v", a)
	}
	e.sendObjects(e.list)
	if a := e.deliver(e.measure(1)); !a.Rewind || a.Number != 2 {
		t.Errorf("the answer is %+v", a)
	}
}

// The first key is made once, and is the same after a restart.
func TestKeysSurviveARestart(t *testing.T) {
	c := newCloud(t)
	before := c.Keys()
	c.restart()
	if after := c.Keys(); len(after) != 1 || after[0].ID != before[0].ID || string(after[0].Public) != string(before[0].Public) || after[0].Active.IsZero() {
		t.Errorf("the keys are %v, were %v", after, before)
	}
}
