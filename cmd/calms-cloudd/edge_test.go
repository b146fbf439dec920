package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

// edge is the least that can talk to the cloud as an edge does. Its journal is a
// slice, and it never fails.
type edge struct {
	t           *testing.T
	key         crypto.Signer
	certificate tls.Certificate
	enrollment  api.Enrollment

	journal wire.JournalID
	session *seal.Session
	nonce   [16]byte
	boot    [16]byte
	entries []wire.Entry
	objects [][]byte
	total   uint64
}

// enrolEdge trades a ticket for an edge.
func enrolEdge(t *testing.T, text string) *edge {
	t.Helper()
	e := &edge{t: t, key: newEdgeKey(t)}
	var err error
	if e.enrollment, err = enrolWith(t, text, e.key); err != nil {
		t.Fatal(err)
	}
	e.certificate = tls.Certificate{Certificate: e.enrollment.Certificate, PrivateKey: e.key}
	rand.Read(e.boot[:])
	e.journal = wire.JournalID{Device: calms.DeviceID(e.enrollment.DeviceID), Generation: e.enrollment.Generation + 1}
	rand.Read(e.journal.Random[:])
	e.openSession()
	return e
}

func newEdgeKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := certs.NewKey(certs.P256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func enrolWith(t *testing.T, text string, key crypto.Signer) (api.Enrollment, error) {
	t.Helper()
	ticket, err := wire.ParseTicket(text)
	if err != nil {
		t.Fatal(err)
	}
	request, err := certs.NewRequest(key, "edge")
	if err != nil {
		t.Fatal(err)
	}
	return api.Enroll(t.Context(), ticket.URL, ticket.CA, api.EnrollRequest{TicketID: ticket.ID, Secret: ticket.Secret[:], CSR: request})
}

func (e *edge) openSession() {
	e.t.Helper()
	k := e.enrollment.IngestKeys[0]
	ingestKey, err := seal.ParseIngestKey(wire.IngestKey{ID: k.ID, PublicKey: k.PublicKey})
	if err != nil {
		e.t.Fatal(err)
	}
	if e.session, err = seal.New(e.journal, ingestKey, e.certificate); err != nil {
		e.t.Fatal(err)
	}
}

func (e *edge) roots() *x509.CertPool {
	roots, err := certs.ParseDER(e.enrollment.Authorities)
	if err != nil {
		e.t.Fatal(err)
	}
	return certs.Pool(roots...)
}

// serverSerial is the serial number of the certificate that a listener shows.
func (e *edge) serverSerial(address string) string {
	e.t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: e.roots(), Certificates: []tls.Certificate{e.certificate}})
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// renew asks for a certificate for a new key.
func (e *edge) renew() (api.Renewed, error) {
	request, err := certs.NewRequest(newEdgeKey(e.t), "edge")
	if err != nil {
		e.t.Fatal(err)
	}
	roots, err := certs.ParseDER(e.enrollment.Authorities)
	if err != nil {
		e.t.Fatal(err)
	}
	client, err := api.NewClient(api.Config{URL: e.enrollment.API, CA: certs.EncodeChain(roots...), Certificate: &e.certificate})
	if err != nil {
		e.t.Fatal(err)
	}
	defer client.Close()
	return client.RenewDevice(e.t.Context(), api.RenewRequest{CSR: request})
}

// link is one MQTT connection of an edge.
type link struct {
	*edge
	client mqtt.Client
	down   chan mqtt.Message
	lost   chan error
}

// connect connects without saying hello.
func (e *edge) connect() (*link, error) {
	l := &link{edge: e, down: make(chan mqtt.Message, 100), lost: make(chan error, 1)}
	options := mqtt.NewClientOptions().AddBroker((&url.URL{Scheme: "ssl", Host: e.enrollment.Broker}).String()).
		SetClientID(e.enrollment.DeviceID).SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(10 * time.Second).
		SetTLSConfig(&tls.Config{RootCAs: e.roots(), Certificates: []tls.Certificate{e.certificate}}).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { l.lost <- err })
	l.client = mqtt.NewClient(options)
	if err := wait(l.client.Connect()); err != nil {
		return nil, err
	}
	e.t.Cleanup(func() { l.client.Disconnect(0) })
	down := wire.DownTopic(e.enrollment.Shard, e.journal.Device, "+")
	return l, wait(l.client.Subscribe(down, 1, func(_ mqtt.Client, m mqtt.Message) { l.down <- m }))
}

func wait(token mqtt.Token) error {
	if !token.WaitTimeout(20 * time.Second) {
		return context.DeadlineExceeded
	}
	return token.Error()
}

// talk connects and says hello until the cloud answers.
func (e *edge) talk() (*link, wire.WelcomeBody) {
	e.t.Helper()
	l, err := e.connect()
	if err != nil {
		e.t.Fatal(err)
	}
	rand.Read(e.nonce[:])
	held := wire.Held{Journal: e.journal, First: 1, Last: uint64(len(e.entries))}
	if n := len(e.entries); n > 0 {
		held.Hash = e.entries[n-1].Hash(e.journal)
	}
	body := wire.HelloBody{Session: e.session.Object(), Journals: []wire.Held{held}, Boot: e.boot, Nonce: e.nonce}
	if err := wire.Decode("registration", e.enrollment.Registration, &body.Registration); err != nil {
		e.t.Fatal(err)
	}
	encoded := wire.Encode(body)
	l.send(wire.StreamHello, wire.Encode(wire.Hello{Body: encoded, MAC: e.session.MACUp(encoded)}))
	var welcome wire.Welcome
	l.receive(wire.StreamHello, &welcome)
	var answer wire.WelcomeBody
	if err := wire.Decode("welcome", welcome.Body, &answer); err != nil || !e.session.VerifyDown(welcome.Body, welcome.MAC) || answer.Nonce != e.nonce {
		e.t.Fatalf("the welcome is not genuine: %v", err)
	}
	return l, answer
}

// publish sends a message and waits for nothing.
func (l *link) publish(stream string, payload []byte) {
	l.client.Publish(wire.UpTopic(l.enrollment.Shard, l.journal.Device, stream), 1, false, payload)
}

func (l *link) send(stream string, payload []byte) {
	l.t.Helper()
	if err := wait(l.client.Publish(wire.UpTopic(l.enrollment.Shard, l.journal.Device, stream), 1, false, payload)); err != nil {
		l.t.Fatalf("send %s: %v", stream, err)
	}
}

func (l *link) receive(stream string, v any) {
	l.t.Helper()
	want := wire.DownTopic(l.enrollment.Shard, l.journal.Device, stream)
	timeout := time.After(30 * time.Second)
	for {
		select {
		case m := <-l.down:
			if m.Topic() != want {
				continue
			}
			if err := wire.Decode(stream, m.Payload(), v); err != nil {
				l.t.Fatal(err)
			}
			return
		case err := <-l.lost:
			l.t.Fatalf("connection lost while waiting for %s: %v", stream, err)
		case <-timeout:
			l.t.Fatalf("no %s came", stream)
		}
	}
}

// append seals an entry into the journal.
func (e *edge) append(kind wire.EntryKind, content []byte, samples int, objects ...wire.Hash) {
	h := wire.Header{Number: uint64(len(e.entries)) + 1, Kind: kind, Session: e.session.Name(), Objects: objects}
	if n := len(e.entries); n > 0 {
		h.Prev = e.entries[n-1].Hash(e.journal)
	}
	e.total += uint64(samples)
	h.Total = e.total
	e.entries = append(e.entries, e.session.SealEntry(h, content))
}

// measure puts n samples of the channel flow into the journal: number i, counted
// over the whole journal, has the value i and comes i seconds after start.
func (e *edge) measure(start time.Time, n int) {
	e.t.Helper()
	e.record(start, n, func(number int64) float64 { return float64(number) })
}

// record is measure with other values.
func (e *edge) record(start time.Time, n int, value func(number int64) float64) {
	e.t.Helper()
	if len(e.entries) == 0 {
		e.objects = [][]byte{e.session.SealChannels([]wire.Channel{{Name: "flow", Unit: "m³/h", Description: "consumption"}})}
		e.append(wire.KindAnchor, wire.Encode(wire.Anchor{Boot: e.boot, UTC: start.UnixNano(), Mono: 1000, Error: 1000}), 0)
	}
	b := batch.Batch{Boot: e.boot, Columns: []batch.Column{{Channel: 0}}}
	for i := range n {
		number := int64(e.total) + int64(i)
		b.Columns[0].Append(calms.Sample{Time: 1000 + number*int64(time.Second), Value: value(number)})
	}
	codec, err := batch.NewCodec()
	if err != nil {
		e.t.Fatal(err)
	}
	content, err := codec.Encode(b)
	if err != nil {
		e.t.Fatal(err)
	}
	e.append(wire.KindBatch, content, n, wire.ObjectName(e.objects[0]))
}

// deliver sends the entries above a number until the cloud's cursor is at the
// journal's head.
func (l *link) deliver(above uint64) {
	l.t.Helper()
	l.deliverTo(above, uint64(len(l.entries)))
}

// deliverTo is deliver up to an earlier entry.
func (l *link) deliverTo(above, last uint64) {
	l.t.Helper()
	l.send(wire.StreamObjects, wire.Encode(wire.Objects{Objects: append([][]byte{l.session.Object()}, l.objects...)}))
	l.send(wire.StreamEntries, wire.Encode(wire.Entries{Journal: l.journal, Entries: l.entries[above:last]}))
	for {
		var m wire.Cursor
		l.receive(wire.StreamCursor, &m)
		var body wire.CursorBody
		if err := wire.Decode("cursor", m.Body, &body); err != nil || !l.session.VerifyDown(m.Body, m.MAC) {
			l.t.Fatalf("the cursor message is not genuine: %v", err)
		}
		if body.Position.Number == last {
			return
		}
	}
}
