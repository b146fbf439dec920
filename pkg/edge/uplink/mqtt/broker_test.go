package mqtt_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/broker/brokertest"
	"go.calms.com/calms/pkg/edge/uplink/mqtt"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mosquitto is a broker that nobody here wrote, as an installation may have it:
// mutual TLS, and each device on its own topics only.
type mosquitto struct {
	authority *brokertest.Authority
	address   string
	process   *os.Process
	log       *output
}

// output gathers what a process prints.
type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

const configuration = `
listener %[2]s 127.0.0.1
cafile %[1]s/ca.pem
certfile %[1]s/server.pem
keyfile %[1]s/server.key
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file %[1]s/acl
persistence false
log_dest stderr
user root
`

// The cloud's own client reads and writes everything.
const rules = `
pattern write calms/v1/+/%u/up/#
pattern read calms/v1/+/%u/down/#
user cloud
topic readwrite calms/v1/#
`

func startMosquitto(t *testing.T) *mosquitto {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			t.Fatal("mosquitto is not installed: make setup")
		}
	}
	m := &mosquitto{authority: brokertest.NewAuthority(t), address: freeAddress(t), log: &output{}}
	_, port, err := net.SplitHostPort(m.address)
	check(t, err)
	dir := t.TempDir()
	server := m.authority.Server(t)
	key, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	check(t, err)
	writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", m.authority.Certificate().Raw)
	writePEM(t, filepath.Join(dir, "server.pem"), "CERTIFICATE", server.Certificate[0])
	writePEM(t, filepath.Join(dir, "server.key"), "PRIVATE KEY", key)
	check(t, os.WriteFile(filepath.Join(dir, "acl"), []byte(rules), 0o600))
	file := filepath.Join(dir, "mosquitto.conf")
	check(t, os.WriteFile(file, fmt.Appendf(nil, configuration, dir, port), 0o600))
	command := exec.Command(program, "-c", file)
	command.Stdout, command.Stderr = m.log, m.log
	check(t, command.Start())
	m.process = command.Process
	t.Cleanup(func() {
		m.process.Kill() // it may be dead already
		command.Wait()
	})
	m.awaitStart(t)
	return m
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	check(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

func (m *mosquitto) awaitStart(t *testing.T) {
	t.Helper()
	for range 200 {
		if c, err := net.Dial("tcp", m.address); err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("mosquitto does not listen:\n%s", m.log)
}

func (m *mosquitto) config(device calms.DeviceID, certificates ...tls.Certificate) mqtt.Config {
	security := &tls.Config{RootCAs: m.authority.Pool(), Certificates: certificates}
	return mqtt.Config{Address: m.address, TLS: security, Device: device, Shard: 4}
}

func (m *mosquitto) device(t *testing.T, device calms.DeviceID) mqtt.Config {
	t.Helper()
	return m.config(device, m.authority.Client(t, string(device), time.Now().Add(time.Hour)))
}

// lazy is a broker that answers no publish, and where told no subscription.
type lazy struct {
	authority *brokertest.Authority
	address   string
	publishes chan struct{} // one for each publish
}

func startLazy(t *testing.T, subscribes bool) *lazy {
	t.Helper()
	l := &lazy{authority: brokertest.NewAuthority(t), publishes: make(chan struct{}, 100)}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{l.authority.Server(t)}})
	check(t, err)
	l.address = listener.Addr().String()
	var serving sync.WaitGroup
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { l.serve(c, subscribes) })
		}
	})
	return l
}

// serve speaks as much of MQTT 3.1.1 as it takes to stay silent.
func (l *lazy) serve(c net.Conn, subscribes bool) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		kind, body, err := readPacket(in)
		if err != nil {
			return
		}
		switch kind >> 4 {
		case 1: // CONNECT: accepted
			c.Write([]byte{0x20, 2, 0, 0})
		case 8: // SUBSCRIBE: granted at QoS 1
			if subscribes && len(body) > 1 {
				c.Write([]byte{0x90, 3, body[0], body[1], 1})
			}
		case 3:
			l.publishes <- struct{}{}
		case 14: // DISCONNECT
			return
		}
	}
}

func readPacket(in *bufio.Reader) (kind byte, body []byte, err error) {
	if kind, err = in.ReadByte(); err != nil {
		return 0, nil, err
	}
	length := 0
	for shift := 0; shift < 28; shift += 7 {
		b, err := in.ReadByte()
		if err != nil {
			return 0, nil, err
		}
		if length |= int(b&0x7f) << shift; b < 0x80 {
			break
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(in, body)
	return kind, body, err
}

func hinted(err error) bool { return strings.Contains(calms.HintOf(err), "doctor") }
