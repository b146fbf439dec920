package mqtt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/broker/brokertest"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/edge/uplink/mqtt"
	"go.calms.com/calms/pkg/wire"
)

// patience bounds every wait for something that comes.
const patience = 60 * time.Second

func dial(t *testing.T, config mqtt.Config) *mqtt.Link {
	t.Helper()
	l, err := mqtt.Dial(t.Context(), config)
	check(t, err)
	t.Cleanup(l.Close)
	return l
}

// listen connects the cloud's side.
func (m *mosquitto) listen(t *testing.T, topic string) *brokertest.Device {
	t.Helper()
	cloud, err := brokertest.Dial(m.address, m.authority.Pool(), "cloud", 4, m.authority.Client(t, "cloud", time.Now().Add(time.Hour)), nil)
	check(t, err)
	t.Cleanup(func() { cloud.Client.Disconnect(0) })
	token := cloud.Client.Subscribe(topic, 1, nil)
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("subscribe: %v", token.Error())
	}
	return cloud
}

func TestMessagesOverMosquitto(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	device := calms.NewDeviceID()
	cloud := m.listen(t, "calms/v1/+/+/up/+")
	l := dial(t, m.device(t, device))
	for _, stream := range []string{wire.StreamHello, wire.StreamEntries} {
		check(t, l.Publish(t.Context(), uplink.Message{Stream: stream, Payload: []byte(stream)}))
		select {
		case got := <-cloud.Down:
			if got.Topic() != wire.UpTopic(4, device, stream) || string(got.Payload()) != stream || got.Qos() != 1 || got.Retained() {
				t.Errorf("%s arrived as %s at QoS %d: %q", stream, got.Topic(), got.Qos(), got.Payload())
			}
		case <-time.After(patience):
			t.Fatalf("%s did not arrive", stream)
		}
	}
	other := calms.NewDeviceID()
	for _, down := range []struct {
		device calms.DeviceID
		stream string
	}{{other, wire.StreamHello}, {device, wire.StreamHello}, {device, wire.StreamCursor}} {
		token := cloud.Client.Publish(wire.DownTopic(4, down.device, down.stream), 1, false, []byte(down.stream))
		if !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	for _, stream := range []string{wire.StreamHello, wire.StreamCursor} {
		select {
		case got := <-l.Messages():
			if got.Stream != stream || string(got.Payload) != stream {
				t.Errorf("%s came down as %s: %q", stream, got.Stream, got.Payload)
			}
		case <-time.After(patience):
			t.Fatalf("%s did not come down", stream)
		}
	}
}

func TestLargestMessage(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	device := calms.NewDeviceID()
	cloud := m.listen(t, "calms/v1/+/+/up/+")
	l := dial(t, m.device(t, device))
	check(t, l.Publish(t.Context(), uplink.Message{Stream: wire.StreamEntries, Payload: make([]byte, wire.MaxMessage)}))
	select {
	case got := <-cloud.Down:
		if len(got.Payload()) != wire.MaxMessage {
			t.Errorf("%d bytes arrived", len(got.Payload()))
		}
	case <-time.After(patience):
		t.Fatal("it did not arrive")
	}
}

// A killed broker is noticed at once, by who waits and by who sends.
func TestKilledBroker(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	l := dial(t, m.device(t, calms.NewDeviceID()))
	select {
	case <-l.Done():
		t.Fatal("the connection is gone before anything happened")
	default:
	}
	check(t, m.process.Kill())
	select {
	case <-l.Done():
	case <-time.After(patience):
		t.Fatal("the connection is not gone")
	}
	begin := time.Now()
	if err := l.Publish(t.Context(), uplink.Message{Stream: wire.StreamHello}); err == nil {
		t.Error("a message was sent to a dead broker")
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("that took %v", took)
	}
	l.Close()
	l.Close()
	_, err := mqtt.Dial(t.Context(), m.config("d-aaaaaaaaaaaaaaaa"))
	if calms.KindOf(err) != calms.KindUnreachable || !hinted(err) || !strings.Contains(err.Error(), m.address) {
		t.Errorf("nobody listens, and that gives %v", err)
	}
}

func TestPublishEndsWithTheBroker(t *testing.T) {
	t.Parallel()
	broker := startLazy(t, true)
	l := dial(t, broker.config())
	failed := make(chan error, 1)
	go func() { failed <- l.Publish(t.Context(), uplink.Message{Stream: wire.StreamHello}) }()
	<-broker.publishes
	begin := time.Now()
	l.Close()
	select {
	case err := <-failed:
		if took := time.Since(begin); err == nil || took > 10*time.Second {
			t.Errorf("publish gives %v after %v", err, took)
		}
	case <-time.After(patience):
		t.Fatal("publish waits for ever")
	}
}

func (l *lazy) config() mqtt.Config {
	return mqtt.Config{Address: l.address, TLS: &tls.Config{RootCAs: l.authority.Pool()}, Device: "d-aaaaaaaaaaaaaaaa"}
}

// A broker that is there and acknowledges nothing does not hold the uplink.
func TestBrokerThatNeverAcknowledges(t *testing.T) {
	for name, subscribes := range map[string]bool{"publish": true, "subscribe": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := startLazy(t, subscribes)
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			l, err := mqtt.Dial(ctx, broker.config())
			if subscribes {
				check(t, err)
				defer l.Close()
				err = l.Publish(ctx, uplink.Message{Stream: wire.StreamHello})
			}
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "in time") {
				t.Errorf("it gives %v", err)
			}
		})
	}
}

func TestCancelEndsAPublish(t *testing.T) {
	t.Parallel()
	broker := startLazy(t, true)
	l := dial(t, broker.config())
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- l.Publish(ctx, uplink.Message{Stream: wire.StreamHello}) }()
	<-broker.publishes
	cancel()
	select {
	case err := <-failed:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("publish gives %v", err)
		}
	case <-time.After(patience):
		t.Fatal("publish waits for ever")
	}
}

func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	device := calms.NewDeviceID()
	stranger := brokertest.NewAuthority(t).Client(t, string(device), time.Now().Add(time.Hour))
	expired := m.authority.Client(t, string(device), time.Now().Add(-time.Minute))
	distrustful := m.device(t, device)
	distrustful.TLS = &tls.Config{RootCAs: brokertest.NewAuthority(t).Pool(), Certificates: distrustful.TLS.Certificates}
	misnamed := m.device(t, device)
	misnamed.TLS.ServerName = "broker.example"
	for name, config := range map[string]mqtt.Config{
		"no certificate":              m.config(device),
		"certificate of a stranger":   m.config(device, stranger),
		"expired certificate":         m.config(device, expired),
		"broker of another authority": distrustful,
		"broker under another name":   misnamed,
	} {
		_, err := mqtt.Dial(t.Context(), config)
		if calms.KindOf(err) != calms.KindUnreachable || !hinted(err) || !strings.Contains(err.Error(), m.address) {
			t.Errorf("%s gives %v", name, err)
		}
	}
	bad := m.device(t, device)
	bad.Address = "broker"
	if _, err := mqtt.Dial(t.Context(), bad); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("an address without a port gives %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mqtt.Dial(ctx, m.device(t, device)); err == nil {
		t.Error("a connection was made after the end")
	}
}
