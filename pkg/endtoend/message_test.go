package endtoend

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"testing"

	"go.calms.com/calms/pkg/edge/identity"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/wire"
)

// rawMQTT connects as a device and leaves what follows to the caller.
func rawMQTT(t *testing.T, who *identity.Identity) net.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", who.Links().Broker, &tls.Config{RootCAs: who.Roots(), Certificates: []tls.Certificate{*who.Certificate()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	name := string(who.Device())
	connect := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60}, byte(len(name)>>8), byte(len(name)))
	connect = append(connect, name...)
	if _, err := conn.Write(append([]byte{0x10, byte(len(connect))}, connect...)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	if _, err := conn.Read(answer); err != nil || binary.BigEndian.Uint32(answer) != 0x20020000 {
		t.Fatalf("the broker answers %x, %v", answer, err)
	}
	return conn
}

// TestBadMessagesHurtNobodyElse: oversize, half, random and too new ones.
func TestBadMessagesHurtNobodyElse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.newCloud("cloud", "")
	c.found()
	good, bad := c.newEdge("comp-1", calm), c.newEdge("comp-2", calm)
	good.start()
	good.measures(2)
	who := bad.whose()

	half := rawMQTT(t, who)
	topic := wire.UpTopic(who.Shard(), who.Device(), wire.StreamEntries)
	if _, err := half.Write(append([]byte{0x32, 0xe8, 0x07, 0, byte(len(topic))}, topic[:9]...)); err != nil {
		t.Fatal(err)
	}
	good.measures(2)
	half.Close()

	oversize, err := dial(t.Context(), who, who.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	if err := oversize.Publish(t.Context(), uplink.Message{Stream: wire.StreamEntries, Payload: make([]byte, 4*wire.MaxMessage)}); err == nil {
		t.Error("an oversize message is taken")
	}
	<-oversize.Done()
	good.measures(2)

	link, err := dial(t.Context(), who, who.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	newer := wire.Encode(wire.Entries{})
	newer[0] = wire.Version + 1
	for _, payload := range [][]byte{nil, {wire.Version}, newer, []byte("no CBOR at all")} {
		for _, stream := range []string{wire.StreamHello, wire.StreamEntries, wire.StreamObjects, wire.StreamGap, "unheard-of"} {
			if err := link.Publish(t.Context(), uplink.Message{Stream: stream, Payload: payload}); err != nil {
				t.Fatalf("%s: a message that will never be better must be acknowledged, or it comes for ever: %v", stream, err)
			}
		}
	}
	if !c.alarmed("message-dropped") {
		t.Error("no alarm tells of the messages that cannot be read")
	}
	good.measures(2)
	good.drain()
	c.exact(good)
}
