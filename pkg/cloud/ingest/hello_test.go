package ingest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"reflect"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

func TestWelcomeSaysWhatTheCloudHolds(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c)
	first := e.hello()
	if len(first.Cursors) != 1 || first.Cursors[0] != (wire.Position{Journal: e.journal}) || first.MaxGeneration != 0 {
		t.Errorf("the first welcome says %+v", first)
	}
	if keys := c.Keys(); len(first.IngestKeys) != 1 || first.IngestKeys[0].ID != keys[0].ID {
		t.Errorf("the welcome hands out %+v", first.IngestKeys)
	}
	e.sendObjects(e.list)
	entry := e.measure(3)
	e.deliver(entry)
	old := e.journal
	e.begin(9)
	body := e.helloBody()
	body.Journals = append([]wire.Held{{Journal: old, First: 1, Last: 1}}, body.Journals...)
	e.nonce = body.Nonce
	e.send(wire.StreamHello, e.seal(body))
	welcome := e.welcome()
	if welcome.MaxGeneration != 1 {
		t.Errorf("the highest other generation is %d", welcome.MaxGeneration)
	}
	want := []wire.Position{{Journal: old, Number: 1, Hash: entry.Hash(old)}, {Journal: e.journal}}
	if !reflect.DeepEqual(welcome.Cursors, want) {
		t.Errorf("the cursors are %+v", welcome.Cursors)
	}
}

// dropped holds the cloud to rule 22: what is malformed or forged is counted,
// alarmed, not asked for again, answered by nothing, and changes nothing.
func (c *cloud) dropped(t *testing.T, id calms.DeviceID, stream string, payload []byte) {
	t.Helper()
	c.heard(id)
	before, counts, alarms := c.state(), c.Counts(), c.raised("message-dropped")
	if err := c.Handle(t.Context(), id, 0, stream, payload); err != nil {
		t.Errorf("it would come again for ever: %v", err)
	}
	if after := c.state(); !reflect.DeepEqual(before, after) {
		t.Errorf("the cloud went from %+v to %+v", before, after)
	}
	counts.Dropped++
	if got := c.Counts(); got != counts || c.raised("message-dropped") != alarms+1 {
		t.Errorf("it is counted as %+v, want %+v, with %d alarms", got, counts, c.raised("message-dropped")-alarms)
	}
	if down := c.heard(id); len(down) != 0 {
		t.Errorf("it is answered: %d messages", len(down))
	}
}

func TestBadHelloIsDropped(t *testing.T) {
	c := newCloud(t)
	e, other := newEdge(c).talk(), newEdge(c).talk()
	e.deliver(e.measure(1))
	good := e.helloBody()
	with := func(change func(*wire.HelloBody)) []byte {
		body := good
		change(&body)
		return e.seal(body)
	}
	encoded := wire.Encode(good)
	for name, payload := range map[string][]byte{
		"nothing":                   nil,
		"no CBOR":                   []byte("hello"),
		"newer version":             append([]byte{wire.Version + 1}, e.seal(good)[1:]...),
		"wrong MAC":                 wire.Encode(wire.Hello{Body: encoded, MAC: make([]byte, 32)}),
		"no MAC":                    wire.Encode(wire.Hello{Body: encoded}),
		"MAC of a message down":     wire.Encode(wire.Hello{Body: encoded, MAC: e.session.MACDown(encoded)}),
		"changed body":              wire.Encode(wire.Hello{Body: append(encoded[:len(encoded)-1:len(encoded)-1], 1), MAC: e.session.MACUp(encoded)}),
		"no body":                   wire.Encode(wire.Hello{}),
		"no session":                with(func(b *wire.HelloBody) { b.Session = nil }),
		"session of another device": other.seal(other.helloBody()),
		"foreign journal": with(func(b *wire.HelloBody) {
			b.Journals = []wire.Held{{Journal: other.journal, First: 1, Last: 50}}
		}),
		"foreign statement": with(func(b *wire.HelloBody) {
			b.Statements = []wire.Statement{{Kind: wire.StatementWiped, Journal: other.journal, Reason: "I say so"}}
		}),
		"too many journals": with(func(b *wire.HelloBody) {
			b.Journals = make([]wire.Held, 65)
			for i := range b.Journals {
				b.Journals[i].Journal = wire.JournalID{Device: e.device, Generation: uint64(i) + 1}
			}
		}),
		"too many statements": with(func(b *wire.HelloBody) {
			b.Statements = make([]wire.Statement, 257)
			for i := range b.Statements {
				b.Statements[i] = wire.Statement{Kind: wire.StatementBranch, Journal: e.journal, Number: uint64(i)}
			}
		}),
		"generation out of range": with(func(b *wire.HelloBody) { b.Journals = []wire.Held{{Journal: huge(e.journal)}} }),
		"number out of range":     with(func(b *wire.HelloBody) { b.Journals = []wire.Held{{Journal: e.journal, Last: 1 << 63}} }),
		"statement out of range": with(func(b *wire.HelloBody) {
			b.Statements = []wire.Statement{{Kind: wire.StatementBranch, Journal: e.journal, Number: 1 << 63}}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			c.dropped(t, e.device, wire.StreamHello, payload)
			if a := e.deliver(e.entries[0]); a.Number != 1 {
				t.Errorf("the conversation before it does not go on: %+v", a)
			}
		})
	}
	t.Run("unknown stream", func(t *testing.T) { c.dropped(t, e.device, "configuration", e.seal(good)) })
}

// huge is a journal of a generation that no database column holds.
func huge(id wire.JournalID) wire.JournalID {
	id.Generation = 1 << 63
	return id
}

func TestSessionsThatAreNotTheDevices(t *testing.T) {
	c := newCloud(t)
	e, other := newEdge(c), newEdge(c)
	key := c.Keys()[0]
	public, err := seal.ParseIngestKey(wire.IngestKey{ID: key.ID, PublicKey: key.Public})
	check(t, err)
	make := func(ingestKey string, journal wire.JournalID, certificate tls.Certificate) *seal.Session {
		s, err := seal.New(journal, seal.IngestKey{ID: ingestKey, Key: public.Key}, certificate)
		check(t, err)
		return s
	}
	stolen := e.certificate
	stolen.PrivateKey = other.certificate.PrivateKey
	for name, session := range map[string]*seal.Session{
		"unknown ingest key":            make("ik-unknown", e.journal, e.certificate),
		"certificate of another device": make(key.ID, e.journal, other.certificate),
		"journal of another device":     make(key.ID, other.journal, e.certificate),
		"all of another device":         make(key.ID, other.journal, other.certificate),
		"certificate without its key":   make(key.ID, e.journal, stolen),
		"unknown authority":             make(key.ID, e.journal, foreignCertificate(t, e.device)),
	} {
		t.Run(name, func(t *testing.T) {
			e.session = session
			c.dropped(t, e.device, wire.StreamHello, e.seal(e.helloBody()))
			c.dropped(t, e.device, wire.StreamObjects, wire.Encode(wire.Objects{Objects: [][]byte{session.Object()}}))
		})
	}
}

// foreignCertificate is a device certificate of an authority that is not the
// cloud's.
func foreignCertificate(t *testing.T, device calms.DeviceID) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	root, err := certs.NewRoot(key, "somebody", time.Now(), time.Hour)
	check(t, err)
	leaf, err := certs.Authority{Certificate: root, Signer: key}.IssueDevice(key.Public(), device, time.Now(), time.Hour)
	check(t, err)
	return tls.Certificate{Certificate: certs.DER(leaf), PrivateKey: key}
}

// From its revocation on nothing of a device is taken, also on a conversation
// that runs, and nothing of it is acknowledged to the broker.
func TestRevokedDeviceIsRefused(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c).talk()
	e.deliver(e.measure(2))
	c.revoked[e.device] = true
	before := c.state()
	second := e.measure(2)
	for stream, payload := range map[string][]byte{
		wire.StreamHello: e.seal(e.helloBody()), wire.StreamObjects: wire.Encode(wire.Objects{Objects: [][]byte{e.list}}),
		wire.StreamEntries: e.message(second), wire.StreamGap: e.gap(2, 2),
	} {
		if err := c.Handle(t.Context(), e.device, 0, stream, payload); calms.KindOf(err) != calms.KindForbidden {
			t.Errorf("%s gives %v", stream, err)
		}
	}
	if counts := c.Counts(); counts.Refused != 4 || !reflect.DeepEqual(before, c.state()) || len(c.heard(e.device)) != 0 {
		t.Errorf("counts are %+v, the state %+v", counts, c.state())
	}
}

// A hello that comes again must not set the counter back: the edge would take no
// cursor message any more.
func TestRepeatedHelloKeepsTheCounter(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c)
	body := e.helloBody()
	e.nonce = body.Nonce
	hello := e.seal(body)
	e.send(wire.StreamHello, hello)
	e.welcome()
	e.sendObjects(e.list)
	first, second := e.deliver(e.measure(1)), e.deliver(e.measure(1))
	e.send(wire.StreamHello, hello)
	e.welcome()
	third := e.deliver(e.measure(1))
	if first.Counter >= second.Counter || second.Counter >= third.Counter {
		t.Errorf("the counters are %d, %d, %d", first.Counter, second.Counter, third.Counter)
	}
	if e.hello(); e.deliver(e.measure(1)).Number != 4 {
		t.Error("the next conversation does not go on")
	}
}

// A captured hello of before delays at most: no cursor moves, and the next true
// hello is answered as ever.
func TestReplayedHelloMovesNoCursor(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c)
	captured := e.seal(e.helloBody())
	e.talk()
	e.deliver(e.measure(1), e.measure(1))
	e.send(wire.StreamHello, captured)
	c.heard(e.device)
	if c.cursor(e.journal) != 2 || e.hello().Cursors[0].Number != 2 || e.deliver(e.measure(1)).Number != 3 {
		t.Errorf("the cursor is at %d", c.cursor(e.journal))
	}
}

func TestStatementsAreKeptOnceAndAlarmed(t *testing.T) {
	c := newCloud(t)
	e := newEdge(c)
	said := []wire.Statement{
		{Kind: wire.StatementTailLost, Journal: e.journal, Number: 4, Reason: "damaged"},
		{Kind: wire.StatementBranch, Journal: e.journal, Number: 5, Hash: wire.Hash{5}, Reason: "forked"},
		{Kind: wire.StatementWiped, Journal: e.journal, Reason: "wiped"},
	}
	for range 2 {
		body := e.helloBody()
		body.Statements, e.nonce = said, body.Nonce
		e.send(wire.StreamHello, e.seal(body))
		e.welcome()
	}
	kept, err := c.history.Statements(context.Background(), e.device)
	if err != nil || !reflect.DeepEqual(kept, said) {
		t.Errorf("kept is %+v, %v", kept, err)
	}
	if c.raised(ingest.AlarmFork) == 0 || c.raised(ingest.AlarmLoss) < 2 {
		t.Errorf("the alarms are %v", c.alarms)
	}
}
