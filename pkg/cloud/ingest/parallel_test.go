package ingest_test

import (
	"sync"
	"testing"

	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/wire"
)

// Many devices at once, each of whose messages come twice from two connections,
// and a key rotation in the middle.
func TestDevicesInParallel(t *testing.T) {
	const devices, entries, samples = 8, 12, 3
	c := newCloud(t)
	c.BeginReplay()
	edges := make([]*edge, devices)
	for i := range edges {
		edges[i] = newEdge(c)
		for range entries {
			edges[i].measure(samples)
		}
	}
	var all sync.WaitGroup
	for _, e := range edges {
		hello, objects := e.seal(e.helloBody()), wire.Encode(wire.Objects{Objects: [][]byte{e.list}})
		for range 2 {
			all.Go(func() {
				take := func(stream string, payload []byte) {
					if err := c.Handle(t.Context(), e.device, 0, stream, payload); err != nil {
						t.Errorf("%s: %v", stream, err)
					}
				}
				take(wire.StreamHello, hello)
				take(wire.StreamObjects, objects)
				for _, entry := range e.entries {
					take(wire.StreamEntries, e.message(entry))
				}
			})
		}
	}
	all.Go(func() {
		if _, err := c.RotateKey(t.Context()); err != nil {
			t.Error(err)
		}
		for range 50 {
			c.Counts()
			c.Replay()
			c.Keys()
		}
	})
	all.Wait()
	want := ingest.Counts{Entries: devices * entries, Samples: devices * entries * samples, Duplicates: devices * entries}
	if got := c.Counts(); got != want {
		t.Errorf("counts are %+v, want %+v", got, want)
	}
	if s := c.state(); s.Samples != want.Samples || len(s.Journals) != devices {
		t.Errorf("%d samples in %d journals are stored", s.Samples, len(s.Journals))
	}
	for _, e := range edges {
		if c.cursor(e.journal) != entries {
			t.Errorf("the cursor of %s is at %d", e.journal, c.cursor(e.journal))
		}
	}
}

func TestReplayFollowsTheEdges(t *testing.T) {
	c := newCloud(t)
	if _, running := c.Replay(); running {
		t.Error("a replay runs without a restore")
	}
	e, silent := newEdge(c).talk(), newEdge(c)
	for range 3 {
		e.measure(2)
	}
	e.deliver(e.entries[0])
	c.BeginReplay()
	e.hello()
	at := func() ingest.Replayed {
		t.Helper()
		devices, running := c.Replay()
		if _, heard := devices[silent.device]; !running || heard || len(devices) != 1 {
			t.Errorf("the replay is %+v, running %t", devices, running)
		}
		return devices[e.device]
	}
	if r := at(); r.CaughtUp() || r.Journals[e.journal] != (ingest.Progress{Cursor: 1, Head: 3}) || r.Entries != 0 {
		t.Errorf("at first it is %+v", r)
	}
	e.lose(2, 2)
	if r := at(); r.CaughtUp() || r.Lost != 2 {
		t.Errorf("after a gap it is %+v", r)
	}
	e.deliver(e.entries[2])
	if r := at(); !r.CaughtUp() || r.Entries != 1 {
		t.Errorf("at last it is %+v", r)
	}
}
