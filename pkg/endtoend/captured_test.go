package endtoend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/broker"
	"go.calms.com/calms/pkg/cloud/pki"
	"go.calms.com/calms/pkg/edge/identity"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/edge/uplink/mqtt"
)

// message is one message on its way through a broker.
type message struct {
	device  calms.DeviceID
	up      bool // from the device; else towards it
	stream  string
	payload []byte
}

// captured is a broker in an attacker's hands: the real one, with a certificate
// of the real authority, which sees everything and passes on what it likes. It
// reaches ingest through the daemon's own broker; that it does so with the
// devices' certificates is its transport, and no power that it uses.
type captured struct {
	authority *pki.Service
	broker    *broker.Broker
	sites     map[calms.DeviceID]*site // constant

	sending sync.Mutex // one message up at a time: the order is the attacker's choice

	mu    sync.Mutex              // guards what follows
	twist func(message) []message // nil passes everything on
	seen  []message
}

// site is one device behind the captured broker.
type site struct {
	identity *identity.Identity
	link     *mqtt.Link // to the real broker, nil until it is needed; guarded by sending
}

// capture puts a captured broker between edges and their cloud. The edges must
// not run yet.
func (c *cloud) capture(edges ...*edge) *captured {
	t := c.rig.t
	t.Helper()
	authority, err := pki.Open(t.Context(), c.rig.file(c.data), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { authority.Close() })
	certificate, err := authority.ServiceCertificate(t.Context(), "broker", []string{"localhost", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	b := &captured{authority: authority, sites: map[calms.DeviceID]*site{}}
	for _, e := range edges {
		who, err := identity.Open(c.rig.file(e.name, "identity"))
		if err != nil {
			t.Fatal(err)
		}
		b.sites[who.Device()] = &site{identity: who}
	}
	b.broker, err = broker.New(broker.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil },
		ClientCAs:      func() *x509.CertPool { return authority.Pool(pki.Devices) },
		Authorizer:     b,
		Handler:        b,
		Log:            slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.broker.Serve(serving, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		b.hangUp()
	})
	for _, e := range edges {
		e.relay.lead(listener.Addr().String())
	}
	return b
}

// AuthorizeDevice implements [broker.Authorizer].
func (b *captured) AuthorizeDevice(_ context.Context, _ *x509.Certificate, chain []*x509.Certificate) (calms.DeviceID, uint32, error) {
	id, err := b.authority.Verify(chain)
	if err != nil {
		return "", 0, err
	}
	return id, b.sites[id].identity.Shard(), nil // the sites are constant
}

// ValidUntil implements [broker.Authorizer]: what expires is no subject here.
func (b *captured) ValidUntil(context.Context, calms.DeviceID) (time.Time, error) {
	return time.Now().Add(time.Hour), nil
}

// Handle implements [broker.Handler]: a message goes up.
func (b *captured) Handle(ctx context.Context, id calms.DeviceID, _ uint32, stream string, payload []byte) error {
	return b.pass(ctx, message{id, true, stream, payload})
}

// pass records a message and sends on what the attacker makes of it.
func (b *captured) pass(ctx context.Context, m message) error {
	b.mu.Lock()
	b.seen = append(b.seen, m)
	all := []message{m}
	if b.twist != nil {
		all = b.twist(m)
	}
	b.mu.Unlock()
	for _, m := range all {
		if err := b.send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (b *captured) send(ctx context.Context, m message) error {
	if !m.up {
		_ = b.broker.Publish(m.device, m.stream, m.payload) // who is gone says hello again
		return nil
	}
	b.sending.Lock()
	defer b.sending.Unlock()
	link, err := b.link(ctx, m.device)
	if err != nil {
		return err
	}
	return link.Publish(ctx, uplink.Message{Stream: m.stream, Payload: m.payload})
}

// link is the way of a device to the real broker. The caller holds sending.
func (b *captured) link(ctx context.Context, id calms.DeviceID) (*mqtt.Link, error) {
	s := b.sites[id]
	if s.link != nil {
		select {
		case <-s.link.Done():
		default:
			return s.link, nil
		}
	}
	link, err := dial(ctx, s.identity, s.identity.Certificate())
	if err != nil {
		return nil, err
	}
	s.link = link
	go func() {
		for {
			select {
			case m := <-link.Messages():
				_ = b.pass(ctx, message{id, false, m.Stream, m.Payload}) // messages down may get lost
			case <-link.Done():
				return
			}
		}
	}()
	return link, nil
}

// hangUp ends all connections to the real broker.
func (b *captured) hangUp() {
	b.sending.Lock()
	defer b.sending.Unlock()
	for _, s := range b.sites {
		if s.link != nil {
			s.link.Close()
		}
	}
}

// attack passes everything through twist from now on, nil nothing.
func (b *captured) attack(twist func(message) []message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.twist = twist
}

// recorded is what has passed so far.
func (b *captured) recorded() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

// dial connects to the daemon's broker as a device, with any certificate.
func dial(ctx context.Context, who *identity.Identity, certificate *tls.Certificate) (*mqtt.Link, error) {
	host, _, err := net.SplitHostPort(who.Links().Broker)
	if err != nil {
		return nil, err
	}
	security := &tls.Config{ServerName: host, RootCAs: who.Roots()}
	if certificate != nil {
		security.Certificates = []tls.Certificate{*certificate}
	}
	return mqtt.Dial(ctx, mqtt.Config{Address: who.Links().Broker, TLS: security, Device: who.Device(), Shard: who.Shard()})
}
