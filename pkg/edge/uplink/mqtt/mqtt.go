// Package mqtt carries an uplink's messages over MQTT 3.1.1, QoS 1, on mutual
// TLS. The broker's acknowledgements only pace the sender.
package mqtt

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/wire"
)

const (
	qos            = 1
	connectTimeout = 10 * time.Second
	ackTimeout     = 20 * time.Second // of the broker, for one message
	writeTimeout   = 10 * time.Second
	keepAlive      = 30 * time.Second
	quiesce        = 50 // milliseconds that a polite end may take
	downBuffer     = 256
)

// Config of one connection.
type Config struct {
	Address string      // host:port
	TLS     *tls.Config // roots of the cloud, and the device's certificate by GetClientCertificate
	Device  calms.DeviceID
	Shard   uint32
}

// Link is one connection, see [uplink.Link]. It never reconnects: a new one is
// made, since a client that reconnects by itself reports messages as delivered
// that were not.
type Link struct {
	config Config
	client paho.Client
	down   chan uplink.Message
	done   chan struct{}
	lost   sync.Once
}

var _ uplink.Link = (*Link)(nil)

// Dial connects and subscribes to the device's own topics.
func Dial(ctx context.Context, config Config) (*Link, error) {
	l := &Link{config: config, down: make(chan uplink.Message, downBuffer), done: make(chan struct{})}
	host, _, err := net.SplitHostPort(config.Address)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "broker address %q: %w", config.Address, err)
	}
	security := config.TLS.Clone()
	if security.ServerName == "" {
		security.ServerName = host
	}
	l.client = paho.NewClient(paho.NewClientOptions().
		AddBroker("tls://" + config.Address).
		SetClientID(string(config.Device)).
		SetTLSConfig(security).
		SetProtocolVersion(4). // 3.1.1
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true). // cursor messages count up; the handler below never waits
		SetConnectTimeout(connectTimeout).
		SetWriteTimeout(writeTimeout).
		SetKeepAlive(keepAlive).
		SetConnectionLostHandler(func(paho.Client, error) { l.end() }))
	if err := wait(ctx, l.client.Connect(), connectTimeout); err != nil {
		l.Close()
		return nil, refused(config.Address, err)
	}
	topic := wire.DownTopic(config.Shard, config.Device, "+")
	if err := wait(ctx, l.client.Subscribe(topic, qos, l.receive), ackTimeout); err != nil {
		l.Close()
		return nil, calms.Wrap("subscribe", err)
	}
	return l, nil
}

func refused(address string, err error) error {
	return calms.Errorf(calms.KindUnreachable, "broker %s: %w", address, err).WithHint("calms-edge doctor")
}

// errTimeout says that the broker did not answer in time.
var errTimeout = calms.Errorf(calms.KindTimeout, "no answer from the broker in time")

// wait waits for a token, for a time, or for the end of ctx.
func wait(ctx context.Context, token paho.Token, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-token.Done():
		return token.Error()
	case <-timer.C:
		return errTimeout
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Link) receive(_ paho.Client, m paho.Message) {
	topic, err := wire.ParseTopic(m.Topic())
	if err != nil {
		return // not one that was subscribed to
	}
	select {
	case l.down <- uplink.Message{Stream: topic.Stream, Payload: m.Payload()}:
	default: // messages down may get lost; the protocol above recovers
	}
}

// Publish sends a message and waits until the broker has taken it.
func (l *Link) Publish(ctx context.Context, m uplink.Message) error {
	select {
	case <-l.done:
		return net.ErrClosed
	default:
	}
	topic := wire.UpTopic(l.config.Shard, l.config.Device, m.Stream)
	return calms.Wrap("publish", l.wait(ctx, l.client.Publish(topic, qos, false, m.Payload)))
}

// wait is wait that also ends with the connection: a token may never complete.
func (l *Link) wait(ctx context.Context, token paho.Token) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-l.done:
			cancel(net.ErrClosed)
		case <-stop:
		}
	}()
	err := wait(ctx, token, ackTimeout)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// Messages is what comes down.
func (l *Link) Messages() <-chan uplink.Message { return l.down }

// Done is closed when the connection is gone.
func (l *Link) Done() <-chan struct{} { return l.done }

// Close ends the connection.
func (l *Link) Close() {
	l.client.Disconnect(quiesce)
	l.end()
}

func (l *Link) end() { l.lost.Do(func() { close(l.done) }) }
