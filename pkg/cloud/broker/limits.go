package broker

import (
	"log/slog"
	"math"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"go.calms.com/calms/pkg/wire"
)

// Limits bound what one peer can take of the broker. A zero field means its
// default.
type Limits struct {
	Payload         int           // bytes of one message; default [wire.MaxMessage]
	PendingWrites   int           // messages queued for one device; default 128
	Subscriptions   int           // of one device; default 16
	Connections     int           // open at one time, handshakes included; default 20000
	ConnectDeadline time.Duration // from accept to an accepted CONNECT; default 5 s
	WriteDeadline   time.Duration // of each write; default 2 s
	Keepalive       time.Duration // the longest keepalive, and the one of a device that asks for none; default 5 min
}

// packetOverhead is the room for an MQTT packet's topic and packet id beside
// the payload.
const packetOverhead = 512

func (l Limits) withDefaults() Limits {
	orDefault(&l.Payload, wire.MaxMessage)
	orDefault(&l.PendingWrites, 128)
	orDefault(&l.Subscriptions, 16)
	orDefault(&l.Connections, 20_000)
	orDefault(&l.ConnectDeadline, 5*time.Second)
	orDefault(&l.WriteDeadline, 2*time.Second)
	orDefault(&l.Keepalive, 5*time.Minute)
	return l
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// keepalive is what holds for a device that asks for so many seconds.
func (l Limits) keepalive(asked uint16) uint16 {
	longest := uint16(min(l.Keepalive/time.Second, math.MaxUint16/2)) // mochi multiplies it by 1.5
	if asked == 0 {
		return longest // MQTT means "for ever"
	}
	return min(asked, longest)
}

func (l Limits) options() *mqtt.Options {
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumPacketSize = uint32(l.Payload + packetOverhead)
	capabilities.MaximumClientWritesPending = int32(l.PendingWrites)
	capabilities.MaximumQos = 1
	capabilities.RetainAvailable = 0
	capabilities.SharedSubAvailable = 0
	return &mqtt.Options{
		Capabilities: capabilities,
		InlineClient: true, // for Broker.Publish
		// mochi logs whole packets; this package logs what matters itself.
		Logger: slog.New(slog.DiscardHandler),
	}
}
