package ingest_test

import (
	"bytes"
	"testing"

	"go.calms.com/calms/pkg/wire"
)

// FuzzHandle throws bytes at every stream, in the name of a device that is in
// the middle of a conversation: whatever they are, ingest does not panic, takes
// them as done with, and stores nothing that the device did not seal.
func FuzzHandle(f *testing.F) {
	c := newCloud(f)
	e := newEdge(c).talk()
	e.deliver(e.measure(1))
	genuine := map[string][]byte{
		wire.StreamHello:   e.seal(e.helloBody()),
		wire.StreamObjects: wire.Encode(wire.Objects{Objects: [][]byte{e.session.Object(), e.list}}),
		wire.StreamEntries: e.message(e.measure(2)),
		wire.StreamGap:     e.gap(2, 2),
		"other":            nil,
	}
	for stream, payload := range genuine {
		f.Add(stream, payload)
		for _, at := range []int{0, 1, len(payload) / 2, len(payload) - 1} {
			if at >= 0 && at < len(payload) {
				changed := bytes.Clone(payload)
				changed[at] ^= 0x55
				f.Add(stream, changed)
				f.Add(stream, payload[:at])
			}
		}
	}
	f.Fuzz(func(t *testing.T, stream string, payload []byte) {
		c.t = t
		if err := c.Handle(t.Context(), e.device, 0, stream, payload); err != nil {
			t.Errorf("%s comes again for ever: %v", stream, err)
		}
		c.heard(e.device)
		c.checkGenuine(t, e)
	})
}

// checkGenuine holds the cloud to what a device sealed: two entries, of which the
// second may be lost.
func (c *cloud) checkGenuine(t *testing.T, e *edge) {
	t.Helper()
	s := c.state()
	if len(s.Journals) != 1 || s.Journals[0].ID != e.journal || len(s.Statements) != 0 {
		t.Fatalf("the cloud has journals %+v with statements %+v", s.Journals, s.Statements)
	}
	cursor := s.Journals[0].Cursor
	if n := cursor.Number; n < 1 || n > 2 || cursor.Hash != e.entries[n-1].Hash(e.journal) || cursor.Total != e.entries[n-1].Total {
		t.Errorf("the cursor is %+v", cursor)
	}
	for _, gap := range s.Gaps {
		s.Samples += gap.Samples
	}
	if s.Samples != cursor.Total {
		t.Errorf("%d samples are stored or lost of %d", s.Samples, cursor.Total)
	}
}
