package broker_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/broker"
	"go.calms.com/calms/pkg/cloud/broker/brokertest"
	"go.calms.com/calms/pkg/wire"
)

func TestDeviceThatBreaksTheRulesIsCut(t *testing.T) {
	i := start(t, broker.Limits{Subscriptions: 4})
	id := calms.NewDeviceID()
	certificate := i.enrol(t, id, 5)
	own := wire.UpTopic(5, id, "entries")
	for name, breakRule := range map[string]func(paho.Client){
		"foreign topic, QoS 0": func(c paho.Client) { c.Publish(wire.UpTopic(5, calms.NewDeviceID(), "entries"), 0, false, "x") },
		"foreign topic, QoS 1": func(c paho.Client) { c.Publish("x", 1, false, "x") },
		"$SYS":                 func(c paho.Client) { c.Publish("$SYS/x", 1, false, "x") },
		"retained":             func(c paho.Client) { c.Publish(own, 1, true, "x") },
		"QoS 2":                func(c paho.Client) { c.Publish(own, 2, false, "x") },
		"many subscriptions": func(c paho.Client) {
			for _, s := range []string{"a", "b", "c", "d", "e"} {
				c.Subscribe(wire.DownTopic(5, id, s), 1, nil)
			}
		},
	} {
		d := i.Reconnect(t, id, 5, certificate)
		breakRule(d.Client)
		select {
		case <-d.Lost:
		case <-time.After(brokertest.Patience):
			t.Errorf("%s: the device stayed connected", name)
		}
	}
	if got := i.recorder.Messages(id); len(got) > 0 {
		t.Errorf("the handler was given %v", got)
	}
	if n := i.broker.Stats().Forbidden; n != 5 {
		t.Errorf("%d forbidden publishes, want 5", n)
	}
}

// Trap 1: mochi allocates what the header promises.
func TestOversizePacketIsRefusedUnread(t *testing.T) {
	i := start(t, broker.Limits{})
	id := calms.NewDeviceID()
	c := i.dialRaw(t, id, i.enrol(t, id, 0))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.Write([]byte{0x30, 0xff, 0xff, 0xff, 0x7f, 'x'}) // PUBLISH of 256 MiB
	c.SetReadDeadline(time.Now().Add(brokertest.Patience))
	if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("after an oversize packet: %v", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
	if err := i.broker.Publish(id, "cursor", make([]byte, wire.MaxMessage+1)); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("oversize message down: %v", err)
	}
}

// dialRaw opens a session by hand: CONNECT with no keepalive, then a
// subscription to everything down.
func (i *installation) dialRaw(t *testing.T, id calms.DeviceID, certificate tls.Certificate) net.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", i.Address, &tls.Config{RootCAs: i.Servers, Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(brokertest.Patience))
	packet := func(head byte, body ...[]byte) {
		b := slices.Concat(body...)
		if _, err := c.Write(append([]byte{head, byte(len(b))}, b...)); err != nil {
			t.Fatal(err)
		}
	}
	text := func(s string) []byte { return append([]byte{0, byte(len(s))}, s...) }
	packet(0x10, text("MQTT"), []byte{4, 2, 0, 0}, text(string(id)))
	packet(0x82, []byte{0, 1}, text(wire.DownTopic(0, id, "+")), []byte{1})
	answer := make([]byte, 4+5) // CONNACK, SUBACK
	for n := 0; n < len(answer); {
		read, err := c.Read(answer[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += read
	}
	if !bytes.Equal(answer, []byte{0x20, 2, 0, 0, 0x90, 3, 0, 1, 1}) {
		t.Fatalf("answer to CONNECT and SUBSCRIBE is %x", answer)
	}
	return c
}

// Trap 2: a subscriber that does not read blocks whoever publishes to it.
func TestStuckSubscriberBlocksNobody(t *testing.T) {
	i := start(t, broker.Limits{WriteDeadline: 2 * time.Second})
	id := calms.NewDeviceID()
	i.dialRaw(t, id, i.enrol(t, id, 0)) // and never reads
	other := i.Connect(t, 0)
	if err := other.Subscribe(wire.DownTopic(0, other.ID, "+")); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 200<<10)
	var worst time.Duration
	lost := false
	for range 300 { // 60 MB: more than any socket buffer and the queue
		begun := time.Now()
		lost = i.broker.Publish(id, "cursor", payload) != nil || lost
		worst = max(worst, time.Since(begun))
	}
	if !lost || i.broker.Stats().DownLost == 0 && len(i.broker.Connected()) == 2 {
		t.Error("the subscriber was never stuck: the test proves nothing")
	}
	if worst > time.Second {
		t.Errorf("one publish took %v", worst)
	}
	if err := i.broker.Publish(other.ID, "cursor", []byte("x")); err != nil {
		t.Error(err)
	}
	select {
	case <-other.Down:
	case <-time.After(brokertest.Patience):
		t.Error("the other device got nothing")
	}
	if err := other.Publish("entries", []byte("x")); err != nil {
		t.Error(err)
	}
	brokertest.Await(t, "the stuck subscriber is cut", func() bool { return len(i.broker.Connected()) == 1 })
}

// Trap 3: the polite disconnect of a stuck client waits for it.
func TestDisconnectCutsStuckClientAtOnce(t *testing.T) {
	i := start(t, broker.Limits{WriteDeadline: time.Minute})
	id := calms.NewDeviceID()
	certificate := i.enrol(t, id, 0)
	i.dialRaw(t, id, certificate)
	i.clog(t, id)
	begun := time.Now()
	if n := i.broker.Disconnect(id); n != 1 {
		t.Errorf("%d connections were cut", n)
	}
	brokertest.Await(t, "it is gone", func() bool { return len(i.broker.Connected()) == 0 })
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it took %v", took)
	}

	// Nor does a stuck connection keep the device from coming back.
	i.dialRaw(t, id, certificate)
	i.clog(t, id)
	d := i.Reconnect(t, id, 0, certificate)
	if err := d.Publish("entries", []byte("x")); err != nil {
		t.Error(err)
	}
}

// clog publishes until the device's queue is full.
func (i *installation) clog(t *testing.T, id calms.DeviceID) {
	t.Helper()
	brokertest.Await(t, "the queue is full", func() bool {
		return i.broker.Publish(id, "cursor", make([]byte, 200<<10)) != nil
	})
}

// Trap 4: mochi acknowledges what its hook has refused.
func TestRefusedMessageIsNotAcknowledgedAndComesAgain(t *testing.T) {
	i := start(t, broker.Limits{})
	full := true
	var mu sync.Mutex
	i.recorder.Refuse(func(context.Context, brokertest.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if full {
			return errors.New("no space left on device")
		}
		return nil
	})
	id := calms.NewDeviceID()
	certificate := i.enrol(t, id, 0)
	d := i.Reconnect(t, id, 0, certificate)
	if err := d.Publish("entries", []byte("one")); err == nil {
		t.Error("a message that was not taken was acknowledged")
	}
	d.AwaitLoss(t)
	mu.Lock()
	full = false
	mu.Unlock()
	d = i.Reconnect(t, id, 0, certificate)
	if err := d.Publish("entries", []byte("one")); err != nil {
		t.Error(err)
	}
	if got := i.recorder.Messages(id); len(got) != 1 || i.broker.Stats().Failed != 1 {
		t.Errorf("%d messages, %+v", len(got), i.broker.Stats())
	}
}

// Trap 5: a slow handler delays its own device only.
func TestSlowHandlerDelaysItsOwnDeviceOnly(t *testing.T) {
	i := start(t, broker.Limits{})
	slow, other := i.Connect(t, 0), i.Connect(t, 0)
	release := make(chan struct{})
	i.recorder.Refuse(func(ctx context.Context, m brokertest.Message) error {
		if m.Device != slow.ID {
			return nil
		}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	token := slow.Client.Publish(wire.UpTopic(0, slow.ID, "entries"), 1, false, "slow")
	for range 10 {
		if err := other.Publish("entries", []byte("quick")); err != nil {
			t.Fatal(err)
		}
	}
	if token.WaitTimeout(10 * time.Millisecond) {
		t.Error("a message was acknowledged before it was handled")
	}
	close(release)
	if !token.WaitTimeout(brokertest.Patience) || token.Error() != nil {
		t.Errorf("the slow message: %v", token.Error())
	}
}

func TestStopEndsHandlers(t *testing.T) {
	i := start(t, broker.Limits{})
	d := i.Connect(t, 0)
	inside := make(chan struct{})
	i.recorder.Refuse(func(ctx context.Context, _ brokertest.Message) error {
		close(inside)
		<-ctx.Done()
		return ctx.Err()
	})
	token := d.Client.Publish(wire.UpTopic(0, d.ID, "entries"), 1, false, "x")
	<-inside
	i.stop()
	d.AwaitLoss(t)
	if token.WaitTimeout(brokertest.Patience) && token.Error() == nil {
		t.Error("a message was acknowledged that was not handled")
	}
}

func TestRevocationCutsWithinASecond(t *testing.T) {
	i := start(t, broker.Limits{})
	id := calms.NewDeviceID()
	certificate := i.enrol(t, id, 0)
	d := i.Reconnect(t, id, 0, certificate)
	begun := time.Now()
	i.registry.revoke(id)
	i.broker.Disconnect(id)
	d.AwaitLoss(t)
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if _, err := brokertest.Dial(i.Address, i.Servers, id, 0, certificate, nil); err == nil {
		t.Error("the revoked device came back")
	}
}

// The device is revoked after its handshake was allowed and before its
// connection is known: Disconnect does not find it, CONNECT must.
func TestRevocationDuringHandshake(t *testing.T) {
	i := start(t, broker.Limits{})
	id := calms.NewDeviceID()
	certificate := i.enrol(t, id, 0)
	var once sync.Once
	i.registry.onAsked(func(calms.DeviceID) {
		once.Do(func() {
			i.registry.revoke(id)
			if n := i.broker.Disconnect(id); n != 0 {
				t.Errorf("%d connections were cut: the test proves nothing", n)
			}
		})
	})
	if _, err := brokertest.Dial(i.Address, i.Servers, id, 0, certificate, nil); err == nil {
		t.Error("a device revoked during its handshake got a session")
	}
}

func TestTakeover(t *testing.T) {
	i := start(t, broker.Limits{})
	id := calms.NewDeviceID()
	certificate := i.enrol(t, id, 0)
	old := i.Reconnect(t, id, 0, certificate)
	for range 20 {
		d := i.Reconnect(t, id, 0, certificate)
		if err := d.Subscribe(wire.DownTopic(0, id, "+")); err != nil {
			t.Fatal(err)
		}
		old.AwaitLoss(t)
		if err := i.broker.Publish(id, "cursor", []byte("to the new connection")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-d.Down:
		case <-time.After(brokertest.Patience):
			t.Fatal("the new connection lost its subscription to the end of the old one")
		}
		old = d
	}
	if c := i.broker.Connected(); len(c) != 1 || c[0].Device != id || c[0].Remote == "" || c[0].Since.IsZero() {
		t.Errorf("connected: %+v", c)
	}
}

// Many connections of one device at one time must end in one that works.
func TestTakeoverStorm(t *testing.T) {
	i := start(t, broker.Limits{})
	id := calms.NewDeviceID()
	certificate := i.enrol(t, id, 0)
	var storm sync.WaitGroup
	for range 8 {
		storm.Go(func() {
			for range 5 {
				if d, err := brokertest.Dial(i.Address, i.Servers, id, 0, certificate, nil); err == nil {
					d.Publish("entries", []byte("x"))
					d.Client.Disconnect(0)
				}
			}
		})
	}
	storm.Wait()
	d := i.Reconnect(t, id, 0, certificate)
	if err := d.Subscribe(wire.DownTopic(0, id, "+")); err != nil {
		t.Fatal(err)
	}
	if err := i.broker.Publish(id, "cursor", []byte("x")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.Down:
	case <-time.After(brokertest.Patience):
		t.Error("nothing comes down after the storm")
	}
}
