package uplink_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

const device = calms.DeviceID("d-aaaaaaaaaaaaaaaa")

// ingestKey is drawn once: it takes long, and nobody opens anything here.
var ingestKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// edge is a conversation over a real journal; the test is the cloud, and the
// clock stands still unless it is moved.
type edge struct {
	t *testing.T
	*journal.Journal
	*uplink.Conversation
	now         time.Time
	certificate tls.Certificate
	sessions    map[wire.JournalID]*seal.Session
	learnt      [][]wire.IngestKey
	list        []byte // of channels, sealed under another session than the entries

	// What the cloud knows of the conversation.
	session *seal.Session
	hello   wire.HelloBody
	epoch   calms.Epoch
	counter uint64
}

func newEdge(t *testing.T, options uplink.Options) *edge {
	t.Helper()
	return newEdgeOf(t, journal.Options{Device: device}, options)
}

func newEdgeOf(t *testing.T, file journal.Options, options uplink.Options) *edge {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), file)
	check(t, err)
	t.Cleanup(func() { check(t, j.Close()) })
	e := &edge{
		t: t, Journal: j, now: time.Unix(1_800_000_000, 0), certificate: certificate(t),
		sessions: map[wire.JournalID]*seal.Session{}, epoch: calms.Epoch{1},
	}
	e.Conversation = uplink.NewConversation(j, e, options)
	return e
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Session is the session of a journal, see [uplink.Sessions].
func (e *edge) Session(id wire.JournalID) (*seal.Session, error) {
	if s := e.sessions[id]; s != nil {
		return s, nil
	}
	s, err := e.newSession(id)
	e.sessions[id] = s
	return s, err
}

func (e *edge) newSession(id wire.JournalID) (*seal.Session, error) {
	key, err := ingestKey()
	if err != nil {
		return nil, err
	}
	return seal.New(id, seal.IngestKey{ID: "ik-1", Key: &key.PublicKey}, e.certificate)
}

func (e *edge) Learn(keys []wire.IngestKey) { e.learnt = append(e.learnt, keys) }

// append journals entries of some bytes, one sample each.
func (e *edge) append(entries, size int, objects ...[]byte) {
	e.t.Helper()
	session, err := e.Session(e.Current())
	check(e.t, err)
	for range entries {
		r := journal.Record{Kind: wire.KindBatch, Plaintext: bytes.Repeat([]byte{7}, size), Samples: 1, Since: 5, Until: 6, Objects: objects}
		check(e.t, e.Append(e.t.Context(), session, r))
	}
}

// next is what the edge sends now, nil for nothing.
func (e *edge) next() *uplink.Message {
	e.t.Helper()
	m, err := e.Next(e.t.Context(), e.now)
	check(e.t, err)
	return m
}

// greet expects a hello, and notes what the cloud learns from it.
func (e *edge) greet() wire.HelloBody {
	e.t.Helper()
	m := e.next()
	if m == nil || m.Stream != wire.StreamHello {
		e.t.Fatalf("the edge sends %v, want a hello", m)
	}
	return e.hear(*m)
}

// hear takes a hello as the cloud does.
func (e *edge) hear(m uplink.Message) wire.HelloBody {
	e.t.Helper()
	var hello wire.Hello
	check(e.t, wire.Decode("hello", m.Payload, &hello))
	e.hello = wire.HelloBody{}
	check(e.t, wire.Decode("hello", hello.Body, &e.hello))
	for _, s := range e.sessions {
		if bytes.Equal(s.Object(), e.hello.Session) {
			e.session = s
		}
	}
	if e.session == nil || !e.session.VerifyUp(hello.Body, hello.MAC) {
		e.t.Fatal("the hello is not authentic")
	}
	e.counter = 0
	return e.hello
}

// silent expects that nothing is sent.
func (e *edge) silent(when string) {
	e.t.Helper()
	if m := e.next(); m != nil {
		e.t.Fatalf("%s the edge sends %s", when, m.Stream)
	}
}

// welcome answers the last hello.
func (e *edge) welcome(cursors ...wire.Position) {
	e.t.Helper()
	check(e.t, e.take(wire.StreamHello, e.welcoming(wire.WelcomeBody{Cursors: cursors})))
}

// welcoming seals a welcome; epoch and nonce are filled in where they are zero.
func (e *edge) welcoming(body wire.WelcomeBody) []byte {
	if body.Epoch == (calms.Epoch{}) {
		body.Epoch = e.epoch
	}
	if body.Nonce == ([16]byte{}) {
		body.Nonce = e.hello.Nonce
	}
	encoded := wire.Encode(body)
	return wire.Encode(wire.Welcome{Body: encoded, MAC: e.session.MACDown(encoded)})
}

// acknowledge says how far the current journal is stored.
func (e *edge) acknowledge(number uint64, change ...func(*wire.CursorBody)) {
	e.t.Helper()
	check(e.t, e.take(wire.StreamCursor, e.cursor(number, change...)))
}

// cursor seals the next cursor message.
func (e *edge) cursor(number uint64, change ...func(*wire.CursorBody)) []byte {
	e.counter++
	body := wire.CursorBody{Epoch: e.epoch, Nonce: e.hello.Nonce, Counter: e.counter, Position: wire.Position{Journal: e.Current(), Number: number}}
	for _, f := range change {
		f(&body)
	}
	encoded := wire.Encode(body)
	return wire.Encode(wire.Cursor{Body: encoded, MAC: e.session.MACDown(encoded)})
}

// take passes a message down.
func (e *edge) take(stream string, payload []byte) error {
	return e.Receive(e.t.Context(), e.now, uplink.Message{Stream: stream, Payload: payload})
}

// sent is what the edge sends until it waits.
type sent struct {
	streams []string
	objects []wire.Hash
	numbers []uint64 // of entries
	attempt uint64   // of the last entries or gap
	gaps    []wire.Gap
	bytes   int // of entries and gaps
	largest int
}

func (e *edge) drain() (s sent) {
	e.t.Helper()
	for range 10_000 {
		m := e.next()
		if m == nil {
			return s
		}
		s.add(e.t, *m)
	}
	e.t.Fatal("the edge sends without end")
	return s
}

func (s *sent) add(t *testing.T, m uplink.Message) {
	t.Helper()
	s.streams = append(s.streams, m.Stream)
	switch m.Stream {
	case wire.StreamObjects:
		var objects wire.Objects
		check(t, wire.Decode("objects", m.Payload, &objects))
		for _, o := range objects.Objects {
			s.objects = append(s.objects, wire.ObjectName(o))
		}
		return
	case wire.StreamEntries:
		var entries wire.Entries
		check(t, wire.Decode("entries", m.Payload, &entries))
		for _, e := range entries.Entries {
			s.numbers = append(s.numbers, e.Number)
		}
		s.attempt = entries.Attempt
	case wire.StreamGap:
		var gap wire.Gap
		check(t, wire.Decode("gap", m.Payload, &gap))
		s.gaps, s.attempt = append(s.gaps, gap), gap.Attempt
	}
	s.bytes += len(m.Payload)
	s.largest = max(s.largest, len(m.Payload))
}

// position is the journal's own view of one of its entries.
func (e *edge) position(id wire.JournalID, number uint64) wire.Position {
	e.t.Helper()
	hash, known, err := e.HashAt(e.t.Context(), id, number)
	if err != nil || !known {
		e.t.Fatalf("entry %d: %t, %v", number, known, err)
	}
	return wire.Position{Journal: id, Number: number, Hash: hash}
}

func rewind(attempt uint64) func(*wire.CursorBody) {
	return func(b *wire.CursorBody) { b.Rewind, b.Attempt = true, attempt }
}
