package brokertest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

// Patience bounds every wait of the suite.
const Patience = 20 * time.Second

// Device is a device with its MQTT client.
type Device struct {
	ID    calms.DeviceID
	Shard uint32

	Client paho.Client
	Lost   chan error        // gets the reason when the connection ends by itself
	Down   chan paho.Message // what arrived on the device's subscriptions
}

// Dial connects a device; change, where not nil, may alter the options.
func Dial(address string, servers *x509.CertPool, id calms.DeviceID, shard uint32, certificate tls.Certificate, change func(*paho.ClientOptions)) (*Device, error) {
	d := &Device{ID: id, Shard: shard, Lost: make(chan error, 1), Down: make(chan paho.Message, 1000)}
	options := paho.NewClientOptions().
		AddBroker("ssl://" + address).
		SetClientID(string(id)).
		SetTLSConfig(&tls.Config{RootCAs: servers, Certificates: []tls.Certificate{certificate}}).
		SetProtocolVersion(4).
		SetAutoReconnect(false).
		SetConnectTimeout(Patience).
		SetWriteTimeout(Patience).
		SetOrderMatters(false).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { d.Down <- m }).
		SetConnectionLostHandler(func(_ paho.Client, err error) { d.Lost <- err })
	if change != nil {
		change(options)
	}
	d.Client = paho.NewClient(options)
	if err := wait(d.Client.Connect()); err != nil {
		return nil, err
	}
	return d, nil
}

// Publish sends on the device's own stream and waits for the acknowledgement.
func (d *Device) Publish(stream string, payload []byte) error {
	return wait(d.Client.Publish(wire.UpTopic(d.Shard, d.ID, stream), 1, false, payload))
}

// Subscribe asks for a filter and fails where the broker refuses it.
func (d *Device) Subscribe(filter string) error {
	token := d.Client.Subscribe(filter, 1, nil)
	if err := wait(token); err != nil {
		return err
	}
	for _, granted := range token.(*paho.SubscribeToken).Result() {
		if granted > 1 {
			return errors.New("the subscription was refused")
		}
	}
	return nil
}

// AwaitLoss waits until the broker has ended the connection.
func (d *Device) AwaitLoss(t testing.TB) {
	t.Helper()
	select {
	case <-d.Lost:
	case <-time.After(Patience):
		t.Fatal("the connection did not end")
	}
}

func wait(token paho.Token) error {
	if !token.WaitTimeout(Patience) {
		return errors.New("no answer from the broker")
	}
	return token.Error()
}
