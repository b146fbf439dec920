package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"go.calms.com/calms/pkg/wire"
)

const mqtt311 = 4 // protocol level in CONNECT

var (
	errForeignTopic  = errors.New("publishes outside its own topics")
	errNotInContract = errors.New("publishes with QoS 2 or retained")
	errSubscriptions = errors.New("too many subscriptions")
)

// hook is where mochi asks: who may connect, what a device may do, and where
// its messages go.
type hook struct {
	mqtt.HookBase
	broker *Broker
}

func (*hook) ID() string { return "calms" }

func (*hook) Provides(method byte) bool {
	switch method {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead,
		mqtt.OnSubscribe, mqtt.OnPublish, mqtt.OnPublishDropped:
		return true
	}
	return false
}

// connOf is the connection of a client; nil for the inline client, which is
// [Broker.Publish].
func connOf(client *mqtt.Client) *conn {
	c, _ := client.Net.Conn.(*conn)
	return c
}

// OnConnect lets the device in or tells it in CONNACK why not.
func (h *hook) OnConnect(client *mqtt.Client, packet packets.Packet) error {
	c := connOf(client)
	c.attach(client)
	client.Properties.Clean = true // no session outlives a connection
	client.State.Keepalive = c.limits.keepalive(packet.Connect.Keepalive)
	code, err := h.admit(c, packet)
	if err == nil {
		return nil
	}
	h.broker.counts.refused.Add(1)
	h.broker.config.Log.Warn("MQTT connection refused", "device", c.device, "remote", client.Net.Remote, "error", err)
	return errors.Join(err, h.broker.server.SendConnack(client, code, false, nil))
}

func (h *hook) admit(c *conn, packet packets.Packet) (packets.Code, error) {
	connect := packet.Connect
	switch {
	case packet.ProtocolVersion != mqtt311:
		return packets.ErrUnsupportedProtocolVersion, fmt.Errorf("MQTT protocol level %d, %d is needed", packet.ProtocolVersion, mqtt311)
	case connect.ClientIdentifier != string(c.device):
		return packets.ErrClientIdentifierNotValid, fmt.Errorf("client id %.64q is not the device", connect.ClientIdentifier)
	case connect.WillFlag:
		return packets.Err3NotAuthorized, errors.New("has a will")
	}
	ctx, cancel := context.WithDeadline(c.ctx, c.connectBy)
	defer cancel()
	if _, _, err := h.broker.config.Authorizer.AuthorizeDevice(ctx, c.chain[0], c.chain); err != nil {
		return packets.Err3NotAuthorized, err
	}
	if err := h.broker.sessions.establish(ctx, c); err != nil {
		return packets.ErrServerUnavailable, fmt.Errorf("wait for the end of the connection before: %w", err)
	}
	return packets.CodeSuccess, nil
}

// OnConnectAuthenticate has nothing to add: the certificate said who it is.
func (*hook) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnPacketRead ends a connection that was cut while packets of it were still in
// a buffer, and one that publishes what it may not: mochi would drop some of
// that in silence and leave the device waiting.
func (h *hook) OnPacketRead(client *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	c := connOf(client)
	if c.cause() != nil {
		return packet, packets.ErrRejectPacket
	}
	if packet.FixedHeader.Type != packets.Publish {
		return packet, nil
	}
	if err := c.mayPublish(packet); err != nil {
		h.broker.counts.forbidden.Add(1)
		h.broker.config.Log.Warn("device breaks the rules", "device", c.device, "topic", fmt.Sprintf("%.100q", packet.TopicName), "error", err)
		c.cut(err)
		return packet, packets.ErrRejectPacket
	}
	return packet, nil
}

func (c *conn) mayPublish(packet packets.Packet) error {
	if packet.FixedHeader.Retain || packet.FixedHeader.Qos > 1 {
		return errNotInContract
	}
	if topic, err := wire.ParseTopic(packet.TopicName); err != nil || !topic.Up || !c.owns(topic) {
		return errForeignTopic
	}
	return nil
}

func (c *conn) mayRead(filter string) bool {
	topic, err := wire.ParseTopic(filter)
	wildcard := strings.ContainsAny(topic.Stream, "+#") && topic.Stream != "+" && topic.Stream != "#"
	return err == nil && !topic.Up && !wildcard && c.owns(topic)
}

func (c *conn) owns(topic wire.Topic) bool {
	return topic.Device == c.device && topic.Shard == c.shard
}

// OnACLCheck decides on subscriptions. Publishing was decided by
// [hook.OnPacketRead].
func (h *hook) OnACLCheck(client *mqtt.Client, topic string, write bool) bool {
	allowed := write || connOf(client).mayRead(topic)
	if !allowed {
		h.broker.counts.forbidden.Add(1)
	}
	return allowed
}

// OnSubscribe bounds the memory that a device's subscriptions take.
func (h *hook) OnSubscribe(client *mqtt.Client, packet packets.Packet) packets.Packet {
	c := connOf(client)
	if client.State.Subscriptions.Len()+len(packet.Filters) > c.limits.Subscriptions {
		c.cut(errSubscriptions)
		packet.Filters = nil
	}
	return packet
}

// OnPublish hands a message on before mochi acknowledges it.
func (h *hook) OnPublish(client *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	c := connOf(client)
	if c == nil {
		return packet, nil
	}
	topic, err := wire.ParseTopic(packet.TopicName)
	if err == nil {
		err = h.broker.config.Handler.Handle(c.ctx, c.device, c.shard, topic.Stream, packet.Payload)
	}
	if err != nil {
		// Only both together keep mochi from acknowledging: the error alone
		// does not, for a client of MQTT 3.1.1.
		c.cut(err)
		h.broker.counts.failed.Add(1)
		h.broker.config.Log.Error("message not taken", "device", c.device, "stream", topic.Stream, "error", err)
		return packet, packets.ErrRejectPacket
	}
	h.broker.counts.up.Add(1)
	h.broker.counts.upBytes.Add(uint64(len(packet.Payload)))
	return packet, packets.CodeSuccessIgnore // acknowledge; there is no subscriber to look for
}

// OnPublishDropped is called within [Broker.Publish], which holds down.
func (h *hook) OnPublishDropped(client *mqtt.Client, _ packets.Packet) {
	connOf(client).downLost = true
	h.broker.counts.downLost.Add(1)
}
