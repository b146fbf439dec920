package broker_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/broker"
	"go.calms.com/calms/pkg/cloud/broker/brokertest"
	"go.calms.com/calms/pkg/wire"
)

// mosquitto runs one of Mosquitto's clients as a device.
type mosquitto struct {
	installation *installation
	id           calms.DeviceID
	dir          string
}

func newMosquitto(t *testing.T, i *installation) *mosquitto {
	t.Helper()
	if _, err := exec.LookPath("mosquitto_pub"); err != nil {
		t.Fatal("mosquitto-clients is not installed: make setup")
	}
	m := &mosquitto{installation: i, id: calms.NewDeviceID(), dir: t.TempDir()}
	certificate := i.enrol(t, m.id, 4)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, "cert", "CERTIFICATE", certificate.Certificate[0])
	m.write(t, "key", "PRIVATE KEY", key)
	m.write(t, "ca", "CERTIFICATE", i.authority.Certificate().Raw)
	return m
}

func (m *mosquitto) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (m *mosquitto) command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	host, port, err := net.SplitHostPort(m.installation.Address)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(m.dir, name) }
	return exec.CommandContext(t.Context(), name, append([]string{
		"-h", host, "-p", port, "-i", string(m.id), "-V", "mqttv311", "-d",
		"--cafile", file("ca"), "--cert", file("cert"), "--key", file("key"),
	}, args...)...)
}

func TestMosquittoPublishes(t *testing.T) {
	i := start(t, broker.Limits{})
	m := newMosquitto(t, i)
	for _, qos := range []string{"0", "1"} {
		out, err := m.command(t, "mosquitto_pub", "-q", qos, "-t", wire.UpTopic(4, m.id, "entries"), "-m", "qos "+qos).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		i.recorder.Await(t, brokertest.Message{Device: m.id, Shard: 4, Stream: "entries", Payload: "qos " + qos})
	}
	for _, topic := range []string{wire.UpTopic(4, calms.NewDeviceID(), "entries"), wire.DownTopic(4, m.id, "cursor"), "$SYS/x"} {
		// Mosquitto's client tries again for ever when it is cut.
		publish := m.command(t, "mosquitto_pub", "-q", "1", "-t", topic, "-m", "forged")
		forbidden := i.broker.Stats().Forbidden
		if err := publish.Start(); err != nil {
			t.Fatal(err)
		}
		brokertest.Await(t, "the publish is refused", func() bool { return i.broker.Stats().Forbidden > forbidden })
		publish.Process.Kill()
		publish.Wait()
	}
	if got := i.recorder.Messages(m.id); len(got) != 2 {
		t.Errorf("the handler was given %v", got)
	}
}

func TestMosquittoSubscribes(t *testing.T) {
	i := start(t, broker.Limits{})
	m := newMosquitto(t, i)
	var out bytes.Buffer
	subscribe := m.command(t, "mosquitto_sub", "-q", "1", "-C", "1", "-t", wire.DownTopic(4, m.id, "+"))
	subscribe.Stdout = &out
	if err := subscribe.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- subscribe.Wait() }()
	brokertest.Await(t, "mosquitto_sub has its message", func() bool {
		i.broker.Publish(m.id, "cursor", []byte("hello from the cloud"))
		select {
		case err := <-ended:
			return err == nil
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})
	if !strings.Contains(out.String(), "hello from the cloud\n") {
		t.Errorf("mosquitto_sub printed:\n%s", out.String())
	}
	refused, err := m.command(t, "mosquitto_sub", "-q", "1", "-t", "#").CombinedOutput()
	if !strings.Contains(string(refused), "All subscription requests were denied") {
		t.Errorf("subscription to #: %v\n%s", err, refused)
	}
}

func TestMosquittoWithoutCertificate(t *testing.T) {
	i := start(t, broker.Limits{})
	m := newMosquitto(t, i)
	host, port, _ := net.SplitHostPort(i.Address)
	out, err := exec.CommandContext(t.Context(), "mosquitto_pub", "-h", host, "-p", port, "-i", string(m.id),
		"--cafile", filepath.Join(m.dir, "ca"), "-t", wire.UpTopic(4, m.id, "x"), "-m", "x").CombinedOutput()
	if err == nil {
		t.Errorf("connected without a certificate\n%s", out)
	}
}
