// Package brokertest is the suite that every broker link runs, over real TLS
// with a client that this project did not write, and what its tests need: an
// authority, a client, a handler that remembers.
package brokertest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/broker"
	"go.calms.com/calms/pkg/wire"
)

// Installation is a running broker with its link.
type Installation struct {
	Link    broker.Link
	Address string         // of the MQTT listener, host:port
	Servers *x509.CertPool // the authorities of its certificate

	// Enrol makes the installation know a device and returns its certificate.
	Enrol func(t testing.TB, id calms.DeviceID, shard uint32) tls.Certificate
}

// Connect enrols a new device and connects it until the test ends.
func (i Installation) Connect(t testing.TB, shard uint32) *Device {
	t.Helper()
	id := calms.NewDeviceID()
	return i.Reconnect(t, id, shard, i.Enrol(t, id, shard))
}

// Reconnect connects a device that is enrolled.
func (i Installation) Reconnect(t testing.TB, id calms.DeviceID, shard uint32, certificate tls.Certificate) *Device {
	t.Helper()
	d, err := Dial(i.Address, i.Servers, id, shard, certificate, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Client.Disconnect(0) })
	return d
}

// Run checks the contract of a link. start makes an installation that feeds a
// handler and lasts until its test ends.
func Run(t *testing.T, start func(*testing.T, broker.Handler) Installation) {
	for name, test := range map[string]func(*testing.T, Installation, *Recorder){
		"up":                testUp,
		"down":              testDown,
		"largest message":   testLargest,
		"foreign publish":   testForeignPublish,
		"foreign subscribe": testForeignSubscribe,
		"disconnect":        testDisconnect,
	} {
		t.Run(name, func(t *testing.T) {
			recorder := new(Recorder)
			test(t, start(t, recorder), recorder)
		})
	}
}

// What a device publishes arrives once or more, in order, under its own name.
func testUp(t *testing.T, i Installation, r *Recorder) {
	devices := []*Device{i.Connect(t, 0), i.Connect(t, 7)}
	for n := range 20 {
		for _, d := range devices {
			if err := d.Publish("entries", fmt.Append(nil, d.ID, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, d := range devices {
		for n := range 20 {
			r.Await(t, Message{Device: d.ID, Shard: d.Shard, Stream: "entries", Payload: fmt.Sprint(d.ID, n)})
		}
		if got := len(r.Messages(d.ID)); got < 20 {
			t.Errorf("%s: %d messages", d.ID, got)
		}
	}
}

// A message down may be lost, so it is sent until it arrives, as the protocol
// above does. It arrives at its device only.
func testDown(t *testing.T, i Installation, _ *Recorder) {
	d, other := i.Connect(t, 3), i.Connect(t, 3)
	for _, d := range []*Device{d, other} {
		if err := d.Subscribe(wire.DownTopic(d.Shard, d.ID, "+")); err != nil {
			t.Fatal(err)
		}
	}
	i.awaitDown(t, d, "cursor", []byte("to one"))
	i.awaitDown(t, other, "cursor", []byte("to the other"))
	for _, m := range drain(other) {
		if m != "to the other" {
			t.Errorf("the other device read %q", m)
		}
	}
}

func drain(d *Device) (payloads []string) {
	for {
		select {
		case m := <-d.Down:
			payloads = append(payloads, string(m.Payload()))
		default:
			return payloads
		}
	}
}

// awaitDown publishes until the device has it.
func (i Installation) awaitDown(t *testing.T, d *Device, stream string, payload []byte) {
	t.Helper()
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	for end := time.Now().Add(Patience); time.Now().Before(end); {
		if err := i.Link.Publish(d.ID, stream, payload); err != nil {
			t.Logf("publish: %v", err)
		}
		select {
		case m := <-d.Down:
			if m.Topic() != wire.DownTopic(d.Shard, d.ID, stream) || !bytes.Equal(m.Payload(), payload) {
				t.Fatalf("got %d bytes on %s", len(m.Payload()), m.Topic())
			}
			return
		case <-retry.C:
		}
	}
	t.Fatal("no message arrived")
}

func testLargest(t *testing.T, i Installation, r *Recorder) {
	d := i.Connect(t, 1)
	payload := bytes.Repeat([]byte("x"), wire.MaxMessage)
	if err := d.Publish("entries", payload); err != nil {
		t.Fatal(err)
	}
	r.Await(t, Message{Device: d.ID, Shard: 1, Stream: "entries", Payload: string(payload)})
	if err := d.Subscribe(wire.DownTopic(1, d.ID, "+")); err != nil {
		t.Fatal(err)
	}
	i.awaitDown(t, d, "config", payload)
}

// foreignTopics are topics that belong to others, or to nobody.
func foreignTopics(own, other *Device) []string {
	return []string{
		wire.UpTopic(other.Shard, other.ID, "entries"),
		wire.DownTopic(other.Shard, other.ID, "cursor"),
		wire.UpTopic(own.Shard+1, own.ID, "entries"),
		strings.ToUpper(wire.UpTopic(own.Shard, own.ID, "entries")),
		wire.UpTopic(own.Shard, own.ID, "entries") + "/more",
		"/" + wire.UpTopic(own.Shard, own.ID, "entries"),
		"$SYS/broker/uptime",
		"anything",
	}
}

// A broker may drop what does not belong to the device or cut it; it must not
// hand it on, nor under another name.
func testForeignPublish(t *testing.T, i Installation, r *Recorder) {
	victim := i.Connect(t, 2)
	if err := victim.Subscribe(wire.DownTopic(2, victim.ID, "+")); err != nil {
		t.Fatal(err)
	}
	id := calms.NewDeviceID()
	certificate := i.Enrol(t, id, 2)
	for _, topic := range foreignTopics(&Device{ID: id, Shard: 2}, victim) {
		for qos := range byte(2) { // each on its own connection, which the broker may cut
			attacker := i.Reconnect(t, id, 2, certificate)
			attacker.Client.Publish(topic, qos, false, "forged").WaitTimeout(500 * time.Millisecond)
			attacker.Client.Disconnect(0)
		}
	}
	honest := i.Reconnect(t, id, 2, certificate)
	if err := honest.Publish("entries", []byte("honest")); err != nil {
		t.Fatal(err)
	}
	r.Await(t, Message{Device: id, Shard: 2, Stream: "entries", Payload: "honest"})
	i.awaitDown(t, victim, "cursor", []byte("genuine"))
	for _, m := range append(r.Messages(id), r.Messages(victim.ID)...) {
		if m.Payload != "honest" {
			t.Errorf("the handler was given %+v", m)
		}
	}
}

func testForeignSubscribe(t *testing.T, i Installation, _ *Recorder) {
	victim, attacker := i.Connect(t, 2), i.Connect(t, 2)
	if err := victim.Subscribe(wire.DownTopic(2, victim.ID, "+")); err != nil {
		t.Fatal(err)
	}
	filters := append(foreignTopics(attacker, victim),
		"#", "+/#", "$SYS/#", "calms/v1/#", "calms/v1/+/+/down/+", "calms/v1/2/+/down/+", "calms/v1/2/+/#",
		wire.UpTopic(2, attacker.ID, "entries"), wire.UpTopic(2, attacker.ID, "#"),
		"$share/x/"+wire.DownTopic(2, victim.ID, "+"))
	for _, filter := range filters {
		if attacker.Subscribe(filter) == nil {
			t.Errorf("subscription to %s was granted", filter)
		}
	}
	i.awaitDown(t, victim, "cursor", []byte("for the victim"))
	if got := drain(attacker); len(got) > 0 {
		t.Errorf("the attacker read %q", got)
	}
}

func testDisconnect(t *testing.T, i Installation, _ *Recorder) {
	d, other := i.Connect(t, 0), i.Connect(t, 0)
	if n := i.Link.Disconnect(d.ID); n != 1 {
		t.Errorf("%d connections were cut", n)
	}
	d.AwaitLoss(t)
	if n := i.Link.Disconnect(calms.NewDeviceID()); n != 0 {
		t.Errorf("%d connections of an unknown device were cut", n)
	}
	if err := other.Publish("entries", []byte("still here")); err != nil {
		t.Errorf("the other device: %v", err)
	}
}
