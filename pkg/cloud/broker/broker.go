package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

// Authorizer decides which device a certificate stands for.
type Authorizer interface {
	// AuthorizeDevice is called at every handshake and again at CONNECT, with a
	// leaf that is valid now and the verified chain (leaf first). An error
	// refuses the connection: a revoked or unknown device. ctx ends with the
	// connect deadline.
	AuthorizeDevice(ctx context.Context, leaf *x509.Certificate, chain []*x509.Certificate) (device calms.DeviceID, shard uint32, err error)
	// ValidUntil is the end of a device's newest certificate. A connection lives
	// that long: the newer certificate was given for proof of the key with which
	// the connection was made. An error ends the connection.
	ValidUntil(ctx context.Context, device calms.DeviceID) (time.Time, error)
}

// Handler takes what devices publish.
type Handler interface {
	// Handle is called before the message is acknowledged, in order for one
	// device and concurrently for several. It may keep payload. It may be slow:
	// only its own device waits. On an error nothing is acknowledged and the
	// device is disconnected, so that it sends the message again. ctx ends when
	// the broker stops.
	Handle(ctx context.Context, device calms.DeviceID, shard uint32, stream string, payload []byte) error
}

// Link is what the cloud needs of a broker, whoever made it, besides that it
// feeds a [Handler]. Package brokertest holds the suite for implementations.
type Link interface {
	// Publish sends a message to a device and never blocks on one that does not
	// read. The message may be lost without an error.
	Publish(device calms.DeviceID, stream string, payload []byte) error
	// Disconnect cuts a device's connections at once and counts them.
	Disconnect(device calms.DeviceID) int
}

var _ Link = (*Broker)(nil)

// Config is what a [Broker] needs; only Limits may be left out.
type Config struct {
	// GetCertificate and ClientCAs are asked at every handshake, so that the
	// server's certificate and the authorities can change while it runs.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	ClientCAs      func() *x509.CertPool

	Authorizer Authorizer
	Handler    Handler
	Limits     Limits
	Log        *slog.Logger
}

// Broker is an embedded MQTT broker. All methods are safe for concurrent use.
type Broker struct {
	config   Config
	server   *mqtt.Server
	sessions sessions
	slots    chan struct{} // one per open connection
	counts   counters
}

// New makes a broker; [Broker.Serve] runs it.
func New(config Config) (*Broker, error) {
	if config.GetCertificate == nil || config.ClientCAs == nil || config.Authorizer == nil || config.Handler == nil || config.Log == nil {
		return nil, calms.Errorf(calms.KindInternal, "make broker: certificate, authorities, authorizer, handler and log are needed")
	}
	config.Limits = config.Limits.withDefaults()
	b := &Broker{
		config:   config,
		server:   mqtt.New(config.Limits.options()),
		sessions: newSessions(),
		slots:    make(chan struct{}, config.Limits.Connections),
	}
	if err := b.server.AddHook(&hook{broker: b}, nil); err != nil {
		return nil, calms.Wrap("make broker", err)
	}
	return b, nil
}

// Publish queues a message for a connected device and never waits for it. nil
// does not say that the device got the message: the protocol above recovers
// from a loss. The error is [calms.KindUnavailable] where the device is not
// connected or does not read. The payload must not change afterwards.
func (b *Broker) Publish(device calms.DeviceID, stream string, payload []byte) error {
	if len(payload) > b.config.Limits.Payload {
		return calms.Errorf(calms.KindInvalid, "publish to %s: %d bytes, at most %d are allowed", device, len(payload), b.config.Limits.Payload)
	}
	c := b.sessions.get(device)
	if c == nil {
		return calms.Errorf(calms.KindUnavailable, "publish to %s: the device is not connected", device)
	}
	c.down.Lock()
	defer c.down.Unlock()
	c.downLost = false
	// QoS 0: mochi drops it where the client's queue is full. For QoS 1 it would
	// wait for a lock that a blocked write to the client holds.
	if err := b.server.Publish(wire.DownTopic(c.shard, device, stream), payload, false, 0); err != nil {
		return calms.Wrap("publish to "+string(device), err)
	}
	if c.downLost {
		return calms.Errorf(calms.KindUnavailable, "publish to %s: the device does not read", device)
	}
	b.counts.down.Add(1)
	return nil
}

var errDisconnected = errors.New("disconnected by the cloud")

// Disconnect cuts every connection of a device, at once and wherever it stands
// between handshake and session, and returns how many there were. A caller that
// revokes makes the [Authorizer] refuse first: a handshake that is under way is
// then refused at its CONNECT.
func (b *Broker) Disconnect(device calms.DeviceID) int {
	cut := 0
	for _, c := range b.sessions.all() {
		if c.device == device && c.cut(errDisconnected) {
			cut++
		}
	}
	b.counts.disconnected.Add(uint64(cut))
	return cut
}

// Connection is one device's session.
type Connection struct {
	Device calms.DeviceID
	Shard  uint32
	Since  time.Time
	Remote string // address and port
}

// Connected lists the sessions by device.
func (b *Broker) Connected() []Connection {
	var list []Connection
	for _, c := range b.sessions.established() {
		list = append(list, Connection{Device: c.device, Shard: c.shard, Since: c.since, Remote: c.RemoteAddr().String()})
	}
	slices.SortFunc(list, func(x, y Connection) int { return strings.Compare(string(x.Device), string(y.Device)) })
	return list
}
