package broker_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/broker"
	"go.calms.com/calms/pkg/cloud/broker/brokertest"
)

// installation is a broker with an authority and a list of devices.
type installation struct {
	brokertest.Installation
	broker    *broker.Broker
	authority *brokertest.Authority
	registry  *registry
	recorder  *brokertest.Recorder
	stop      context.CancelFunc
	served    chan error

	mu      sync.Mutex
	server  tls.Certificate // guarded by mu
	clients *x509.CertPool  // guarded by mu
}

// registry is the authorizer: it knows devices by their certificates' names.
type registry struct {
	mu     sync.Mutex
	shards map[calms.DeviceID]uint32 // guarded by mu
	asked  func(calms.DeviceID)      // called after the answer is known; guarded by mu
	newest time.Time                 // end of every device's newest certificate, where they renewed; guarded by mu
}

func (r *registry) ValidUntil(context.Context, calms.DeviceID) (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest, nil
}

func (r *registry) AuthorizeDevice(_ context.Context, leaf *x509.Certificate, chain []*x509.Certificate) (calms.DeviceID, uint32, error) {
	if len(chain) != 2 || chain[0] != leaf {
		return "", 0, errors.New("not the verified chain")
	}
	id := calms.DeviceID(leaf.Subject.CommonName)
	r.mu.Lock()
	shard, known := r.shards[id]
	asked := r.asked
	r.mu.Unlock()
	if asked != nil {
		asked(id)
	}
	if !known {
		return "", 0, errors.New("unknown or revoked device")
	}
	return id, shard, nil
}

func (r *registry) add(id calms.DeviceID, shard uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shards[id] = shard
}

func (r *registry) revoke(id calms.DeviceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.shards, id)
}

func (r *registry) onAsked(f func(calms.DeviceID)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = f
}

func start(t *testing.T, limits broker.Limits) *installation {
	t.Helper()
	recorder := new(brokertest.Recorder)
	i := startWith(t, recorder, limits)
	i.recorder = recorder
	return i
}

func startWith(t *testing.T, handler broker.Handler, limits broker.Limits) *installation {
	t.Helper()
	authority := brokertest.NewAuthority(t)
	i := &installation{
		authority: authority,
		registry:  &registry{shards: map[calms.DeviceID]uint32{}},
		server:    authority.Server(t),
		clients:   authority.Pool(),
	}
	var err error
	i.broker, err = broker.New(broker.Config{
		GetCertificate: i.certificate, ClientCAs: i.authorities, Authorizer: i.registry,
		Handler: handler, Limits: limits, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	i.Installation = brokertest.Installation{Link: i.broker, Servers: authority.Pool(), Enrol: i.enrol}
	i.serve(t, "127.0.0.1:0")
	t.Cleanup(func() { i.close(t) })
	return i
}

func (i *installation) serve(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	i.Address, i.stop, i.served = listener.Addr().String(), stop, make(chan error, 1)
	go func() { i.served <- i.broker.Serve(ctx, listener) }()
}

func (i *installation) close(t *testing.T) {
	t.Helper()
	i.stop()
	select {
	case err := <-i.served:
		if err != nil {
			t.Errorf("serve: %v", err)
		}
	case <-time.After(brokertest.Patience):
		t.Error("the broker did not stop")
	}
	if s := i.broker.Stats(); s.Connections != 0 || s.Sessions != 0 {
		t.Errorf("after the stop: %+v", s)
	}
}

func (i *installation) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	server := i.server
	return &server, nil
}

func (i *installation) renew(server tls.Certificate) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.server = server
}

func (i *installation) authorities() *x509.CertPool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.clients
}

// trust adds an authority for devices.
func (i *installation) trust(a *brokertest.Authority) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clients = i.clients.Clone()
	i.clients.AddCert(a.Certificate())
}

func (i *installation) enrol(t testing.TB, id calms.DeviceID, shard uint32) tls.Certificate {
	t.Helper()
	i.registry.add(id, shard)
	return i.authority.Client(t, string(id), time.Now().Add(time.Hour))
}

func TestLink(t *testing.T) {
	brokertest.Run(t, func(t *testing.T, handler broker.Handler) brokertest.Installation {
		return startWith(t, handler, broker.Limits{}).Installation
	})
}
