package broker

import (
	"context"
	"crypto/x509"
	"net"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"go.calms.com/calms/pkg/calms"
)

// conn is one TLS connection with the deadlines that mochi does not set. Until
// CONNECT is accepted the absolute deadline connectBy holds; then mochi's
// keepalive moves the read deadline, and every write has its own.
type conn struct {
	net.Conn                  // TLS over raw
	raw       net.Conn        // TCP
	ctx       context.Context // ends when the broker stops
	limits    Limits
	connectBy time.Time
	since     time.Time
	done      chan struct{} // closed by sessions.remove, when nothing of the connection runs any more

	// Set by the handshake, constant afterwards.
	device calms.DeviceID
	shard  uint32
	chain  []*x509.Certificate // leaf first

	down     sync.Mutex
	downLost bool // mochi dropped the message that Publish just gave it; guarded by down

	mu     sync.Mutex
	client *mqtt.Client // from CONNECT on; guarded by mu
	end    error        // why it was cut, nil while it is open; guarded by mu
}

func newConn(ctx context.Context, raw net.Conn, limits Limits) *conn {
	now := time.Now()
	return &conn{
		Conn: raw, raw: raw, ctx: ctx, limits: limits,
		since: now, connectBy: now.Add(limits.ConnectDeadline), done: make(chan struct{}),
	}
}

// SetDeadline is what mochi calls with each packet's keepalive. It is for
// reading only: it must not prolong a write that has begun.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// Write gives up on a peer that does not read. TLS cannot go on after half a
// record, so the connection ends.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limits.WriteDeadline)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		c.cut(err)
	}
	return n, err
}

// Close closes TCP without TLS's farewell, which would wait for a peer that
// does not read.
func (c *conn) Close() error { return c.raw.Close() }

// attach ties mochi's client to the connection.
func (c *conn) attach(client *mqtt.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.client = client
}

func (c *conn) attached() *mqtt.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client
}

// cause is why the connection was cut, nil while it is open.
func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// cut ends the connection now; what has been read and not handled is dropped.
// It reports whether the connection was open. It never waits, and may be called
// at any time and from any goroutine.
func (c *conn) cut(cause error) bool {
	if cause == nil {
		cause = net.ErrClosed
	}
	c.mu.Lock()
	client, first := c.client, c.end == nil
	if first {
		c.end = cause
	}
	c.mu.Unlock()
	c.raw.Close()
	if client != nil {
		client.Stop(cause)
	}
	return first
}
