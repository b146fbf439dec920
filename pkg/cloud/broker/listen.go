package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.calms.com/calms/pkg/calms"
)

var (
	errStopped = errors.New("the broker stops")
	errExpired = errors.New("the certificate has expired")
)

// acceptPause is the pause after an accept that failed for want of a resource.
const acceptPause = 50 * time.Millisecond

// Serve accepts plain TCP connections from listener and speaks TLS and MQTT
// with them until ctx ends (the error is nil then) or the listener fails. It
// closes the listener, cuts the connections it has accepted, waits until none is
// left, and may then be called again.
func (b *Broker) Serve(ctx context.Context, listener net.Listener) error {
	var connections sync.WaitGroup
	defer connections.Wait()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(serving, func() { listener.Close() })()
	for {
		raw, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return calms.Wrap("accept MQTT connections", err)
		case err != nil: // no file descriptor left, or the peer has gone already
			b.config.Log.Warn("accept MQTT connection", "error", err)
			time.Sleep(acceptPause)
		default:
			b.admit(serving, raw, &connections)
		}
	}
}

// admit serves a connection in its own goroutine if there is a free slot.
func (b *Broker) admit(ctx context.Context, raw net.Conn, connections *sync.WaitGroup) {
	select {
	case b.slots <- struct{}{}:
		connections.Go(func() {
			defer func() { <-b.slots }()
			b.serve(ctx, raw)
		})
	default:
		b.counts.refused.Add(1)
		b.config.Log.Warn("MQTT connection refused", "remote", raw.RemoteAddr().String(), "error", "too many connections")
		raw.Close()
	}
}

// serve runs one connection to its end.
func (b *Broker) serve(ctx context.Context, raw net.Conn) {
	c := newConn(ctx, raw, b.config.Limits)
	defer context.AfterFunc(ctx, func() { c.cut(errStopped) })()
	log := b.config.Log.With("remote", raw.RemoteAddr().String())
	if err := b.handshake(c); err != nil {
		c.cut(err)
		b.counts.refused.Add(1)
		log.Log(ctx, handshakeLevel(err), "MQTT handshake refused", "error", err)
		return
	}
	log = log.With("device", c.device)
	// Registered before CONNECT is read, where the authorizer is asked again: a
	// revocation is seen there, or comes later and finds the connection here.
	b.sessions.add(c)
	defer b.sessions.remove(c)
	defer b.forget(c)
	defer b.expire(c)()
	err := b.speak(c)
	c.cut(err)
	log.Debug("device disconnected", "error", c.cause())
}

// expire cuts a connection when the device has no certificate any more that is
// in force, and returns what stops waiting for that. Renewal keeps it alive.
func (b *Broker) expire(c *conn) (stop func()) {
	ctx, cancel := context.WithCancel(c.ctx)
	go func() {
		for until := c.chain[0].NotAfter; ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(until)):
			}
			newest, err := b.config.Authorizer.ValidUntil(ctx, c.device)
			if err != nil || !newest.After(time.Now()) {
				c.cut(errExpired)
				return
			}
			until = newest
		}
	}()
	return cancel
}

// handshake finds out who is there, within the connect deadline.
func (b *Broker) handshake(c *conn) error {
	ctx, cancel := context.WithDeadline(c.ctx, c.connectBy)
	defer cancel()
	server := tls.Server(c.raw, &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: b.config.GetCertificate,
		ClientAuth:     tls.RequireAndVerifyClientCert,
		ClientCAs:      b.config.ClientCAs(),
		// A resumed session would carry an old verdict on the certificate.
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) (err error) {
			c.chain = state.VerifiedChains[0]
			c.device, c.shard, err = b.config.Authorizer.AuthorizeDevice(ctx, c.chain[0], c.chain)
			return err
		},
	})
	c.Conn = server
	if err := c.raw.SetDeadline(c.connectBy); err != nil {
		return err
	}
	return server.HandshakeContext(ctx)
}

// handshakeLevel keeps port scans and dropped links out of the log.
func handshakeLevel(err error) slog.Level {
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ECONNRESET) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// speak runs the protocol until the connection ends.
func (b *Broker) speak(c *conn) (err error) {
	// The decoder is not ours and its input is a device's: a fault in it must
	// end that device's connection and not the cloud.
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("fault in the protocol: %v", fault)
			b.config.Log.Error("MQTT connection faulted", "device", c.device, "error", err, "stack", string(debug.Stack()))
		}
	}()
	return b.server.EstablishConnection("mqtt", c)
}

// forget removes what mochi leaves behind of a connection that ended in the
// middle of CONNECT.
func (b *Broker) forget(c *conn) {
	client := c.attached()
	if client == nil {
		return
	}
	if known, ok := b.server.Clients.Get(client.ID); ok && known == client {
		b.server.UnsubscribeClient(client)
		b.server.Clients.Delete(client.ID)
	}
}
