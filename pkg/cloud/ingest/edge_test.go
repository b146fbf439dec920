package ingest_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"testing"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

// edge seals what a real edge would, and what it never should.
type edge struct {
	t           testing.TB
	cloud       *cloud
	device      calms.DeviceID
	certificate tls.Certificate
	journal     wire.JournalID
	session     *seal.Session
	list        []byte // the object of its channels
	nonce       [16]byte
	entries     []wire.Entry // of the journal, from number 1 on
	total       uint64
}

var channels = []wire.Channel{{Name: "flow", Unit: "m³/h"}, {Name: "pressure", Unit: "bar"}}

func newEdge(c *cloud) *edge {
	c.t.Helper()
	e := &edge{t: c.t, cloud: c, device: calms.NewDeviceID()}
	e.certificate = c.issue(e.device)
	e.begin(1)
	return e
}

// begin begins a journal of a generation.
func (e *edge) begin(generation uint64) {
	e.t.Helper()
	e.journal = wire.JournalID{Device: e.device, Generation: generation}
	rand.Read(e.journal.Random[:])
	e.entries, e.total = nil, 0
	e.newSession()
}

// newSession draws a session and seals the channels under it.
func (e *edge) newSession() {
	e.t.Helper()
	e.session = e.sessionFor(e.journal, e.certificate)
	e.list = e.session.SealChannels(channels)
}

func (e *edge) sessionFor(journal wire.JournalID, certificate tls.Certificate) *seal.Session {
	e.t.Helper()
	newest := e.cloud.Keys()[0]
	key, err := seal.ParseIngestKey(wire.IngestKey{ID: newest.ID, PublicKey: newest.Public})
	check(e.t, err)
	s, err := seal.New(journal, key, certificate)
	check(e.t, err)
	return s
}

// helloBody is what a hello would say now, under a fresh nonce.
func (e *edge) helloBody() wire.HelloBody {
	held := wire.Held{Journal: e.journal, First: 1, Last: uint64(len(e.entries)), Hash: e.head()}
	body := wire.HelloBody{Session: e.session.Object(), Journals: []wire.Held{held}}
	rand.Read(body.Nonce[:])
	return body
}

// seal makes a hello of its body.
func (e *edge) seal(body wire.HelloBody) []byte {
	encoded := wire.Encode(body)
	return wire.Encode(wire.Hello{Body: encoded, MAC: e.session.MACUp(encoded)})
}

// hello says hello and returns the answer.
func (e *edge) hello() wire.WelcomeBody {
	e.t.Helper()
	body := e.helloBody()
	e.nonce = body.Nonce
	e.send(wire.StreamHello, e.seal(body))
	return e.welcome()
}

// talk says hello and sends the objects that its entries need.
func (e *edge) talk() *edge {
	e.t.Helper()
	e.hello()
	e.sendObjects(e.list)
	return e
}

func (e *edge) sendObjects(objects ...[]byte) {
	e.t.Helper()
	e.send(wire.StreamObjects, wire.Encode(wire.Objects{Objects: objects}))
}

// send passes a message up, which the cloud must take or drop.
func (e *edge) send(stream string, payload []byte) {
	e.t.Helper()
	if err := e.cloud.Handle(context.Background(), e.device, 0, stream, payload); err != nil {
		e.t.Fatalf("%s: %v", stream, err)
	}
}

// deliver sends entries of the journal and returns the answer.
func (e *edge) deliver(entries ...wire.Entry) wire.CursorBody {
	e.t.Helper()
	e.send(wire.StreamEntries, e.message(entries...))
	return e.answer()
}

func (e *edge) message(entries ...wire.Entry) []byte {
	return wire.Encode(wire.Entries{Journal: e.journal, Attempt: 7, Entries: entries})
}

func (e *edge) head() (head wire.Hash) {
	if n := len(e.entries); n > 0 {
		head = e.entries[n-1].Hash(e.journal)
	}
	return head
}

// append seals the next entry.
func (e *edge) append(kind wire.EntryKind, plaintext []byte, samples int, objects ...wire.Hash) wire.Entry {
	e.total += uint64(samples)
	header := wire.Header{Number: uint64(len(e.entries)) + 1, Kind: kind, Prev: e.head(), Total: e.total, Objects: objects}
	e.entries = append(e.entries, e.session.SealEntry(header, plaintext))
	return e.entries[len(e.entries)-1]
}

// measure appends a batch of some samples of the first channel.
func (e *edge) measure(samples int) wire.Entry {
	e.t.Helper()
	return e.append(wire.KindBatch, e.encode(0, samples), samples, wire.ObjectName(e.list))
}

// encode is a batch of some samples of one channel.
func (e *edge) encode(channel, samples int) []byte {
	e.t.Helper()
	column := batch.Column{Channel: channel}
	for i := range samples {
		column.Append(calms.Sample{Time: int64(len(e.entries)*1000 + i), Value: float64(i)})
	}
	codec, err := batch.NewCodec()
	check(e.t, err)
	data, err := codec.Encode(batch.Batch{Boot: [16]byte{1}, Columns: []batch.Column{column}})
	check(e.t, err)
	return data
}

// gap seals the statement that entries are lost.
func (e *edge) gap(first, last uint64) []byte {
	h := wire.GapHeader{Journal: e.journal, First: first, Last: last, Attempt: 7}
	if last <= uint64(len(e.entries)) && last > 0 {
		h.LastHash, h.Total = e.entries[last-1].Hash(e.journal), e.entries[last-1].Total
	}
	return wire.Encode(e.session.SealGap(h, wire.GapDetail{Reason: "evicted"}))
}

// lose tells a gap and returns the answer.
func (e *edge) lose(first, last uint64) wire.CursorBody {
	e.t.Helper()
	e.send(wire.StreamGap, e.gap(first, last))
	return e.answer()
}

// welcome is the one message that came down, which must be a welcome that a
// real edge would believe.
func (e *edge) welcome() (body wire.WelcomeBody) {
	e.t.Helper()
	var m wire.Welcome
	check(e.t, wire.Decode("welcome", e.one(wire.StreamHello), &m))
	if !e.session.VerifyDown(m.Body, m.MAC) {
		e.t.Fatal("the welcome is not authentic")
	}
	check(e.t, wire.Decode("welcome", m.Body, &body))
	if body.Nonce != e.nonce || body.Epoch != e.cloud.history.Epoch() {
		e.t.Fatalf("the welcome answers another hello, or of another epoch: %+v", body)
	}
	return body
}

// answer is the one cursor message that came down, see welcome.
func (e *edge) answer() (body wire.CursorBody) {
	e.t.Helper()
	var m wire.Cursor
	check(e.t, wire.Decode("cursor", e.one(wire.StreamCursor), &m))
	if !e.session.VerifyDown(m.Body, m.MAC) {
		e.t.Fatal("the cursor message is not authentic")
	}
	check(e.t, wire.Decode("cursor", m.Body, &body))
	if body.Nonce != e.nonce || body.Epoch != e.cloud.history.Epoch() || body.Journal != e.journal || body.Attempt != 7 {
		e.t.Fatalf("the cursor message answers something else: %+v", body)
	}
	return body
}

func (e *edge) one(stream string) []byte {
	e.t.Helper()
	down := e.cloud.heard(e.device)
	if len(down) != 1 || down[0].stream != stream {
		e.t.Fatalf("%d messages came down, want one of %s", len(down), stream)
	}
	return down[0].payload
}
