package broker_test

import (
	"crypto/tls"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/broker"
	"go.calms.com/calms/pkg/cloud/broker/brokertest"
)

func TestRefusedCertificates(t *testing.T) {
	i := start(t, broker.Limits{})
	id := calms.NewDeviceID()
	good := i.enrol(t, id, 0)
	revoked := calms.NewDeviceID()
	revokedCertificate := i.enrol(t, revoked, 0)
	i.registry.revoke(revoked)

	for name, c := range map[string]struct {
		id          calms.DeviceID
		certificate tls.Certificate
	}{
		"missing": {id, tls.Certificate{}},
		"expired": {id, i.authority.Client(t, string(id), time.Now().Add(-time.Minute))},
		"foreign": {id, brokertest.NewAuthority(t).Client(t, string(id), time.Now().Add(time.Hour))},
		"server":  {id, i.authority.Server(t)},
		"revoked": {revoked, revokedCertificate},
		"unknown": {id, i.authority.Client(t, string(calms.NewDeviceID()), time.Now().Add(time.Hour))},
	} {
		if _, err := brokertest.Dial(i.Address, i.Servers, c.id, 0, c.certificate, nil); err == nil {
			t.Errorf("%s certificate: connected", name)
		}
	}
	if n := i.broker.Stats().Refused; n != 6 {
		t.Errorf("%d connections refused, want 6", n)
	}
	i.Reconnect(t, id, 0, good)
}

func TestRefusedConnects(t *testing.T) {
	i := start(t, broker.Limits{})
	id, other := calms.NewDeviceID(), calms.NewDeviceID()
	certificate := i.enrol(t, id, 0)
	i.registry.add(other, 0)
	for name, change := range map[string]func(*paho.ClientOptions){
		"client id of another device": func(o *paho.ClientOptions) { o.SetClientID(string(other)) },
		"no client id":                func(o *paho.ClientOptions) { o.SetClientID("") },
		"will":                        func(o *paho.ClientOptions) { o.SetWill("calms/v1/0/"+string(id)+"/up/x", "x", 1, false) },
		"MQTT 3.1":                    func(o *paho.ClientOptions) { o.SetProtocolVersion(3) },
		"TLS 1.2":                     func(o *paho.ClientOptions) { o.TLSConfig.MaxVersion = tls.VersionTLS12 },
	} {
		if _, err := brokertest.Dial(i.Address, i.Servers, id, 0, certificate, change); err == nil {
			t.Errorf("%s: connected", name)
		}
	}
}

// The edge's uplink asks for a clean session; a client that does not gets none.
func TestNoSessionOutlivesItsConnection(t *testing.T) {
	i := start(t, broker.Limits{})
	id := calms.NewDeviceID()
	certificate := i.enrol(t, id, 0)
	persistent := func(o *paho.ClientOptions) { o.SetCleanSession(false) }
	for range 2 {
		d, err := brokertest.Dial(i.Address, i.Servers, id, 0, certificate, persistent)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Subscribe("calms/v1/0/" + string(id) + "/down/+"); err != nil {
			t.Fatal(err)
		}
		d.Client.Disconnect(0)
		brokertest.Await(t, "the device has gone", func() bool { return len(i.broker.Connected()) == 0 })
		if err := i.broker.Publish(id, "cursor", []byte("x")); calms.KindOf(err) != calms.KindUnavailable {
			t.Errorf("publish to a device that is gone: %v", err)
		}
	}
	d := i.Reconnect(t, id, 0, certificate)
	select {
	case m := <-d.Down:
		t.Errorf("a message of an old session came: %s", m.Topic())
	case <-time.After(100 * time.Millisecond):
	}
}

func TestNewAuthorityWithoutRestart(t *testing.T) {
	i := start(t, broker.Limits{})
	next := brokertest.NewAuthority(t)
	id := calms.NewDeviceID()
	i.registry.add(id, 0)
	certificate := next.Client(t, string(id), time.Now().Add(time.Hour))
	if _, err := brokertest.Dial(i.Address, i.Servers, id, 0, certificate, nil); err == nil {
		t.Fatal("a foreign authority was accepted")
	}
	i.trust(next)
	i.Reconnect(t, id, 0, certificate)
}

func TestServerCertificateIsRenewedUnderConnections(t *testing.T) {
	i := start(t, broker.Limits{})
	d := i.Connect(t, 0)
	old := i.serverSerial(t)
	i.renew(i.authority.Server(t))
	if i.serverSerial(t) == old {
		t.Error("a new handshake still gets the old certificate")
	}
	if err := d.Publish("entries", []byte("over the old connection")); err != nil {
		t.Error(err)
	}
	i.Connect(t, 0)
}

// serverSerial is the serial number of the certificate that a handshake gets.
func (i *installation) serverSerial(t *testing.T) string {
	t.Helper()
	c, err := tls.Dial("tcp", i.Address, &tls.Config{RootCAs: i.Servers})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestConnectionEndsWithItsCertificate(t *testing.T) {
	i := start(t, broker.Limits{})
	id := calms.NewDeviceID()
	i.registry.add(id, 0)
	d := i.Reconnect(t, id, 0, i.authority.Client(t, string(id), time.Now().Add(3*time.Second)))
	d.AwaitLoss(t)
}

func TestConnectionLivesOnWithARenewedCertificate(t *testing.T) {
	i := start(t, broker.Limits{})
	first := time.Now().Add(1500 * time.Millisecond)
	i.registry.mu.Lock()
	i.registry.newest = first.Add(1500 * time.Millisecond)
	i.registry.mu.Unlock()
	id := calms.NewDeviceID()
	i.registry.add(id, 0)
	d := i.Reconnect(t, id, 0, i.authority.Client(t, string(id), first))
	time.Sleep(time.Until(first.Add(200 * time.Millisecond)))
	if err := d.Publish("entries", []byte("after the first one's end")); err != nil {
		t.Error(err)
	}
	d.AwaitLoss(t)
	if time.Now().Before(first.Add(time.Second)) {
		t.Error("the connection ended before the newest certificate did")
	}
}

func TestNoResumption(t *testing.T) {
	i := start(t, broker.Limits{})
	id := calms.NewDeviceID()
	cache := tls.NewLRUClientSessionCache(1)
	certificate := i.enrol(t, id, 0)
	for range 2 {
		d, err := brokertest.Dial(i.Address, i.Servers, id, 0, certificate, func(o *paho.ClientOptions) { o.TLSConfig.ClientSessionCache = cache })
		if err != nil {
			t.Fatal(err)
		}
		d.Client.Disconnect(0)
	}
	if _, ok := cache.Get("127.0.0.1"); ok {
		t.Error("the broker gave a session ticket")
	}
}

// Trap 1: mochi waits for ever for a CONNECT.
func TestSilentPeersAreClosed(t *testing.T) {
	i := start(t, broker.Limits{ConnectDeadline: 500 * time.Millisecond})
	id := calms.NewDeviceID()
	certificate := i.enrol(t, id, 0)
	tlsDial := func() (net.Conn, error) {
		return tls.Dial("tcp", i.Address, &tls.Config{RootCAs: i.Servers, Certificates: []tls.Certificate{certificate}})
	}
	for name, dial := range map[string]func() (net.Conn, error){
		"TCP": func() (net.Conn, error) { return net.Dial("tcp", i.Address) },
		"TLS": tlsDial,
		"half a CONNECT": func() (net.Conn, error) {
			c, err := tlsDial()
			if err == nil {
				_, err = c.Write([]byte{0x10, 0x20, 0x00, 0x04, 'M', 'Q'})
			}
			return c, err
		},
	} {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		c.SetReadDeadline(begun.Add(brokertest.Patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("silent %s peer: %v", name, err)
		}
		if waited := time.Since(begun); waited < 100*time.Millisecond {
			t.Errorf("silent %s peer was closed after %v already", name, waited)
		}
		c.Close()
	}
}

func TestTooManyConnections(t *testing.T) {
	i := start(t, broker.Limits{Connections: 2})
	first := i.Connect(t, 0)
	i.Connect(t, 0)
	id := calms.NewDeviceID()
	if _, err := brokertest.Dial(i.Address, i.Servers, id, 0, i.enrol(t, id, 0), nil); err == nil {
		t.Error("a third connection was accepted")
	}
	first.Client.Disconnect(0)
	brokertest.Await(t, "a slot is free", func() bool { return i.broker.Stats().Connections == 1 })
	i.Connect(t, 0)
}

func TestListenerComesBack(t *testing.T) {
	i := start(t, broker.Limits{})
	d := i.Connect(t, 0)
	address := i.Address
	for range 3 {
		i.close(t)
		d.AwaitLoss(t)
		i.serve(t, address)
		d = i.Connect(t, 0)
		if err := d.Publish("entries", []byte("again")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewRefusesHalfAConfig(t *testing.T) {
	if _, err := broker.New(broker.Config{}); err == nil || !strings.Contains(err.Error(), "make broker") {
		t.Errorf("New = %v", err)
	}
}
