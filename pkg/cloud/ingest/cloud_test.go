package ingest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/wire"
)

// keyTemplate makes a database with one ingest key, once: drawing an RSA key for
// every test would take most of the time.
var keyTemplate = sync.OnceValues(func() (database []byte, err error) {
	dir, err := os.MkdirTemp("", "ingest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "ingest.db")
	i, err := ingest.Open(context.Background(), path, ingest.Config{Devices: &cloud{}})
	if err != nil {
		return nil, err
	}
	if err := i.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// cloud is ingest over a real history. The broker, the alarms and the fleet's
// directory are played by it.
type cloud struct {
	t   testing.TB
	dir string
	*ingest.Ingest
	history   *history.History
	authority certs.Authority

	mu        sync.Mutex // guards what follows
	down      map[calms.DeviceID][]message
	alarms    map[string]int // raised, by kind
	cleared   map[string]int
	revoked   map[calms.DeviceID]bool
	described map[calms.DeviceID][]wire.Channel
}

// message is one message down.
type message struct {
	stream  string
	payload []byte
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	return newCloudIn(t, t.TempDir())
}

func newCloudIn(t testing.TB, dir string) *cloud {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	root, err := certs.NewRoot(key, "test devices", time.Now(), time.Hour)
	check(t, err)
	c := &cloud{
		t: t, dir: dir, authority: certs.Authority{Certificate: root, Signer: key},
		down: map[calms.DeviceID][]message{}, alarms: map[string]int{}, cleared: map[string]int{},
		revoked: map[calms.DeviceID]bool{}, described: map[calms.DeviceID][]wire.Channel{},
	}
	database, err := keyTemplate()
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "ingest.db"), database, 0o600))
	c.open()
	t.Cleanup(c.close)
	return c
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cloud) open() {
	c.t.Helper()
	var err error
	c.history, err = history.Open(context.Background(), filepath.Join(c.dir, "history.db"))
	check(c.t, err)
	c.Ingest, err = ingest.Open(context.Background(), filepath.Join(c.dir, "ingest.db"), ingest.Config{
		History: c.history, Devices: c, Link: c, Alarms: c, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	check(c.t, err)
}

func (c *cloud) close() {
	if err := c.Ingest.Close(); err != nil {
		c.t.Error(err)
	}
	if err := c.history.Close(); err != nil {
		c.t.Error(err)
	}
}

// restart is a restart of the daemon: what was in memory is gone.
func (c *cloud) restart() {
	c.t.Helper()
	c.close()
	c.open()
}

// issue makes a certificate of a device.
func (c *cloud) issue(device calms.DeviceID) tls.Certificate {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(c.t, err)
	leaf, err := c.authority.IssueDevice(key.Public(), device, time.Now(), time.Hour)
	check(c.t, err)
	return tls.Certificate{Certificate: certs.DER(leaf), PrivateKey: key}
}

// Verify is what the authority says, see [ingest.Devices].
func (c *cloud) Verify(chain []*x509.Certificate) (calms.DeviceID, error) {
	if err := certs.VerifyIgnoringExpiry(chain, certs.Pool(c.authority.Certificate), x509.ExtKeyUsageClientAuth); err != nil {
		return "", err
	}
	return certs.DeviceOf(chain[0])
}

func (c *cloud) Revoked(id calms.DeviceID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.revoked[id]
}

func (c *cloud) Admit(_ context.Context, id calms.DeviceID, _ wire.SignedRegistration) (calms.Path, error) {
	return calms.Path("o/s/" + string(id)), nil
}

func (c *cloud) Describe(_ context.Context, id calms.DeviceID, channels []wire.Channel) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.described[id] = append(c.described[id], channels...)
	return nil
}

func (c *cloud) Publish(id calms.DeviceID, stream string, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down[id] = append(c.down[id], message{stream, payload})
	return nil
}

func (c *cloud) Raise(kind, _, _, _, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarms[kind]++
}

func (c *cloud) Clear(kind, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cleared[kind]++
}

// raised counts the alarms of one kind.
func (c *cloud) raised(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alarms[kind]
}

// heard takes what was sent to a device.
func (c *cloud) heard(id calms.DeviceID) []message {
	c.mu.Lock()
	defer c.mu.Unlock()
	messages := c.down[id]
	delete(c.down, id)
	return messages
}

// state is everything that is durable and that a message could change.
type state struct {
	Journals   []replica.Journal
	Gaps       []history.StoredGap
	Statements []wire.Statement
	Samples    uint64
}

func (c *cloud) state() state {
	c.t.Helper()
	var s state
	var err error
	ctx := context.Background()
	s.Journals, err = c.history.Journals(ctx, "")
	check(c.t, err)
	s.Gaps, err = c.history.Gaps(ctx, "")
	check(c.t, err)
	s.Statements, err = c.history.Statements(ctx, "")
	check(c.t, err)
	_, s.Samples, err = c.history.Size(ctx)
	check(c.t, err)
	return s
}

// cursor is the number of a journal's cursor.
func (c *cloud) cursor(id wire.JournalID) uint64 {
	c.t.Helper()
	position, err := c.history.Position(context.Background(), id)
	check(c.t, err)
	return position.Number
}
