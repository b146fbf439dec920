package endtoend

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/cloud/pki"
	"go.calms.com/calms/pkg/edge/identity"
)

// whose opens the identity that an edge keeps on its disk.
func (e *edge) whose() *identity.Identity {
	e.rig.t.Helper()
	who, err := identity.Open(e.rig.file(e.name, "identity"))
	if err != nil {
		e.rig.t.Fatal(err)
	}
	return who
}

// broker knocks at the daemon's broker.
func brokerTakes(t *testing.T, who *identity.Identity, certificate *tls.Certificate) error {
	t.Helper()
	link, err := dial(t.Context(), who, certificate)
	if err == nil {
		link.Close()
	}
	return err
}

// apiRenews knocks at the daemon's renewal.
func apiRenews(t *testing.T, who *identity.Identity, certificate *tls.Certificate) error {
	t.Helper()
	roots, err := certs.ParseDER(who.Links().Authorities)
	if err != nil {
		t.Fatal(err)
	}
	client, err := api.NewClient(api.Config{URL: who.Links().API, CA: certs.EncodeChain(roots...), Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, request := newRequest(t)
	_, err = client.RenewDevice(t.Context(), api.RenewRequest{CSR: request})
	return err
}

// foreign is a certificate of another cloud for the same device.
func foreign(t *testing.T, id calms.DeviceID) *tls.Certificate {
	t.Helper()
	other, err := pki.Open(t.Context(), t.TempDir(), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	key, request := newRequest(t)
	chain, err := other.IssueDevice(context.Background(), id, request)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key}
}

func newRequest(t *testing.T) (key any, request []byte) {
	t.Helper()
	signer, err := certs.NewKey(certs.P256)
	if err != nil {
		t.Fatal(err)
	}
	if request, err = certs.NewRequest(signer, "edge"); err != nil {
		t.Fatal(err)
	}
	return signer, request
}

// TestWhoIsNotLetIn knocks at a real daemon with every wrong certificate.
func TestWhoIsNotLetIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.newCloud("cloud", "certificates: {device: 10s, grace: 1s}\n")
	c.found()
	e, stolen := c.bareEdge("comp-1", calm), c.bareEdge("comp-2", calm)
	stolen.enrol()
	thief := stolen.whose()
	r.run("calmsctl device revoke %s --reason stolen --yes", stolen.path())
	e.enrol()
	who := e.whose()
	if err := brokerTakes(t, who, who.Certificate()); err != nil {
		t.Fatalf("the broker refuses a good certificate: %v", err)
	}
	if err := apiRenews(t, who, who.Certificate()); err != nil {
		t.Fatalf("a good certificate is not renewed: %v", err)
	}
	refuses := func(what string, who *identity.Identity, certificate *tls.Certificate) {
		t.Helper()
		if err := brokerTakes(t, who, certificate); err == nil {
			t.Errorf("the broker takes %s", what)
		}
		if err := apiRenews(t, who, certificate); err == nil {
			t.Errorf("the API renews %s", what)
		}
	}
	refuses("no certificate", who, nil)
	refuses("a foreign certificate", who, foreign(t, who.Device()))
	refuses("a revoked certificate", thief, thief.Certificate())
	time.Sleep(time.Until(who.Certificate().Leaf.NotAfter) + 2*time.Second)
	refuses("an expired certificate", who, who.Certificate())
}

// TestRevocationCutsALiveDevice: within a second, and nothing of it comes in
// any more.
func TestRevocationCutsALiveDevice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.newCloud("cloud", "")
	c.found()
	stolen, other := c.newEdge("comp-1", calm), c.newEdge("comp-2", calm)
	link, err := dial(t.Context(), stolen.whose(), stolen.whose().Certificate())
	if err != nil {
		t.Fatal(err)
	}
	other.start()
	other.measures(2)

	r.run("calmsctl device revoke %s --reason stolen --yes", stolen.path())
	r.run("calmsctl device revoke %s --reason stolen --yes", other.path())
	revoked := time.Now()
	select {
	case <-link.Done():
	case <-time.After(time.Second):
		t.Error("a second after the revocation the device is still connected")
	}
	r.await("the edge is cut off", func() bool {
		s, ok := other.status()
		return ok && !s.Uplink.Connected
	})
	head := func() uint64 { s, _ := other.status(); return s.Journal.Head }
	before := head()
	r.await("the edge goes on measuring", func() bool { return head() > before+10 })
	other.process.stop()
	for channel, s := range c.export() {
		for value, times := range s.good {
			if times[0].After(revoked) {
				t.Fatalf("%s: %v of %s came in after the revocation at %s", channel, value, stamp(times[0]), stamp(revoked))
			}
		}
	}
	if d, ok := c.device(other.path()); !ok || d.State != api.DeviceRevoked || d.Connected {
		t.Errorf("the cloud shows %+v", d)
	}
}
