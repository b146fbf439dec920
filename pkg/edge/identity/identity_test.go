package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/wire"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// cloud issues certificates as the real one does; what goes wrong is set by the
// test.
type cloud struct {
	t       testing.TB
	server  *httptest.Server
	root    certs.Authority
	devices certs.Authority
	device  calms.DeviceID
	keys    []api.IngestKey
	path    string
	seen    map[certs.Fingerprint]int // requests by key
	lose    bool                      // the answer gets lost

	believed []string // as which devices edges asked to enrol
}

func newAuthority(t testing.TB) certs.Authority {
	key, err := certs.NewKey(certs.P256)
	if err != nil {
		t.Fatal(err)
	}
	return certs.Authority{Signer: key}
}

func newIngestKey(t testing.TB, id string) api.IngestKey {
	key, err := certs.NewKey(certs.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	return api.IngestKey{ID: id, PublicKey: must[[]byte](t)(x509.MarshalPKIXPublicKey(key.Public()))}
}

func startCloud(t testing.TB) *cloud {
	now := time.Now()
	c := &cloud{t: t, device: calms.NewDeviceID(), path: "acme/lj/c3", seen: map[certs.Fingerprint]int{}, root: newAuthority(t), devices: newAuthority(t)}
	issued := must[*x509.Certificate](t)
	c.root.Certificate = issued(certs.NewRoot(c.root.Signer, "root", now, time.Hour))
	c.devices.Certificate = issued(c.root.IssueAuthority(c.devices.Signer.Public(), "devices", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, now, time.Hour))
	c.keys = []api.IngestKey{newIngestKey(t, "k1")}
	services, leaf := newAuthority(t), newAuthority(t)
	services.Certificate = issued(c.root.IssueAuthority(services.Signer.Public(), "services", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, now, time.Hour))
	own := issued(services.IssueService(leaf.Signer.Public(), "api", []string{"127.0.0.1"}, now, time.Hour))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/edge/enroll", c.enroll)
	mux.HandleFunc("POST /v1/edge/renew", c.renew)
	c.server = httptest.NewUnstartedServer(mux)
	c.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{{
		Certificate: certs.DER(own, services.Certificate, c.root.Certificate), PrivateKey: leaf.Signer,
	}}}
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	return c
}

func (c *cloud) ticket() wire.Ticket {
	return wire.Ticket{ID: "t", Secret: [32]byte{7}, CA: certs.FingerprintOf(c.root.Certificate), URL: c.server.URL}
}

func (c *cloud) links() api.Links {
	return api.Links{Authorities: certs.DER(c.root.Certificate), Broker: "127.0.0.1:1", API: c.server.URL, IngestKeys: c.keys}
}

func (c *cloud) issue(csr []byte) [][]byte {
	public, err := certs.ParseRequest(csr)
	if err != nil {
		c.t.Error(err)
		return nil
	}
	c.seen[must[certs.Fingerprint](c.t)(certs.KeyFingerprint(public))]++
	leaf := must[*x509.Certificate](c.t)(c.devices.IssueDevice(public, c.device, time.Now(), 30*time.Minute))
	return certs.DER(leaf, c.devices.Certificate)
}

func (c *cloud) answer(w http.ResponseWriter, body any) {
	if c.lose {
		panic(http.ErrAbortHandler)
	}
	json.NewEncoder(w).Encode(body)
}

func (c *cloud) enroll(w http.ResponseWriter, r *http.Request) {
	var request api.EnrollRequest
	json.NewDecoder(r.Body).Decode(&request)
	c.believed = append(c.believed, request.DeviceID)
	chain := c.issue(request.CSR)
	c.answer(w, api.Enrollment{
		DeviceID: string(c.device), Path: c.path, Shard: 9, Certificate: chain, Generation: 4, Links: c.links(),
		Registration: wire.Encode(wire.SignedRegistration{Body: []byte("body"), Signature: []byte("signature")}),
	})
}

func (c *cloud) renew(w http.ResponseWriter, r *http.Request) {
	if id, err := certs.DeviceOf(r.TLS.PeerCertificates[0]); err != nil || id != c.device {
		c.t.Errorf("renewed by %s, %v", id, err)
	}
	var request api.RenewRequest
	json.NewDecoder(r.Body).Decode(&request)
	c.answer(w, api.Renewed{Certificate: c.issue(request.CSR), Links: c.links()})
}

func (c *cloud) enrolled(dir string) *Identity {
	c.t.Helper()
	return must[*Identity](c.t)(Enroll(c.t.Context(), dir, c.ticket(), certs.P256))
}

func TestEnrolmentIsKept(t *testing.T) {
	c, dir := startCloud(t), filepath.Join(t.TempDir(), "identity")
	if _, err := Open(dir); calms.KindOf(err) != calms.KindNotFound || calms.HintOf(err) == "" {
		t.Errorf("not enrolled: %v", err)
	}
	c.enrolled(dir)
	i := must[*Identity](t)(Open(dir))
	if i.Device() != c.device || i.Path() != "acme/lj/c3" || i.Shard() != 9 || i.Generation() != 4 ||
		string(i.Registration().Signature) != "signature" || i.Links().Broker != "127.0.0.1:1" {
		t.Errorf("came back as %+v", i.cloud)
	}
	if key, err := i.IngestKey(); err != nil || key.ID != "k1" {
		t.Errorf("ingest key %q, %v", key.ID, err)
	}
	entries := must[[]os.DirEntry](t)(os.ReadDir(dir))
	for _, e := range entries {
		if info := must[os.FileInfo](t)(e.Info()); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if len(entries) != 2 {
		t.Errorf("%d files are left: %v", len(entries), entries)
	}
}

func TestALostAnswerIsAskedForWithTheSameKey(t *testing.T) {
	c, dir := startCloud(t), t.TempDir()
	c.lose = true
	if _, err := Enroll(t.Context(), dir, c.ticket(), certs.P256); err == nil {
		t.Fatal("a lost answer is no error")
	}
	c.lose = false
	c.enrolled(dir)
	for key, times := range c.seen {
		if times < 2 || len(c.seen) != 1 {
			t.Errorf("key %s asked %d times, %d keys did", key, times, len(c.seen))
		}
	}
}

func TestATicketOfAnotherCloudSeesNoSecret(t *testing.T) {
	c := startCloud(t)
	ticket := c.ticket()
	ticket.CA = certs.Fingerprint{1}
	if _, err := Enroll(t.Context(), t.TempDir(), ticket, certs.P256); err == nil || len(c.seen) > 0 {
		t.Errorf("%v; %d requests came", err, len(c.seen))
	}
}

func TestAnEdgeStaysItsDevice(t *testing.T) {
	c, dir := startCloud(t), t.TempDir()
	first := c.enrolled(dir)
	c.device = calms.NewDeviceID()
	if _, err := Enroll(t.Context(), dir, c.ticket(), certs.P256); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("another device's ticket: %v", err)
	}
	if again := must[*Identity](t)(Open(dir)); again.Device() != first.Device() {
		t.Error("the edge became another device")
	}
	if want := []string{"", string(first.Device())}; !slices.Equal(c.believed, want) {
		t.Errorf("it enrolled as %q, want %q", c.believed, want)
	}
}

func TestRenewalInTwoSteps(t *testing.T) {
	c, dir := startCloud(t), t.TempDir()
	i := c.enrolled(dir)
	old := i.Certificate()
	refused := errors.New("refused")
	tried := map[string]int{}
	renew := i.Renewer(Renewal{Now: time.Now, Prove: func(_ context.Context, p *tls.Certificate) error {
		tried[p.Leaf.SerialNumber.String()]++
		if len(tried) == 1 && tried[p.Leaf.SerialNumber.String()] < 3 {
			return refused
		}
		return nil
	}})
	for range 2 {
		if _, err := renew(t.Context(), old); !errors.Is(err, refused) {
			t.Fatalf("an unproved certificate: %v", err)
		}
		if again := must[*Identity](t)(Open(dir)); !again.Certificate().Leaf.Equal(old.Leaf) {
			t.Fatal("the old certificate went before the new one was proved")
		}
	}
	c.keys = append([]api.IngestKey{newIngestKey(t, "k2")}, c.keys...)
	next := must[*tls.Certificate](t)(renew(t.Context(), old))
	if len(tried) != 1 || len(c.seen) != 2 {
		t.Errorf("%d certificates were asked for and %d tried to renew one", len(c.seen)-1, len(tried))
	}
	again := must[*Identity](t)(Open(dir))
	if !again.Certificate().Leaf.Equal(next.Leaf) || !i.Certificate().Leaf.Equal(next.Leaf) {
		t.Error("the proved certificate is not in force")
	}
	must[*tls.Certificate](t)(renew(t.Context(), next)) // brings the links that changed
	if key := must[*Identity](t)(Open(dir)).Links().IngestKeys[0]; key.ID != "k2" {
		t.Errorf("the newest ingest key is %s", key.ID)
	}
}

func TestLearningIngestKeys(t *testing.T) {
	c, dir := startCloud(t), t.TempDir()
	i := c.enrolled(dir)
	fresh := newIngestKey(t, "k9")
	if err := i.Learn([]wire.IngestKey{{ID: fresh.ID, PublicKey: fresh.PublicKey}}); err != nil {
		t.Fatal(err)
	}
	if err := i.Learn([]wire.IngestKey{{ID: "bad", PublicKey: []byte("none")}}); err == nil {
		t.Error("a malformed key was learnt")
	}
	if err := i.Learn(nil); err != nil {
		t.Error(err)
	}
	for _, known := range []*Identity{i, must[*Identity](t)(Open(dir))} {
		if key, err := known.IngestKey(); err != nil || key.ID != "k9" {
			t.Errorf("the key in force is %q, %v", key.ID, err)
		}
	}
}

func TestAnOpenIdentityIsRefused(t *testing.T) {
	c, dir := startCloud(t), filepath.Join(t.TempDir(), "identity")
	if err := CheckPrivate(dir); err != nil {
		t.Errorf("none: %v", err)
	}
	c.enrolled(dir)
	if err := CheckPrivate(dir); err != nil {
		t.Errorf("as it is made: %v", err)
	}
	for path, modes := range map[string][2]os.FileMode{
		dir: {0o710, 0o700}, filepath.Join(dir, deviceName): {0o640, 0o600}, filepath.Join(dir, cloudName): {0o604, 0o600},
	} {
		if err := os.Chmod(path, modes[0]); err != nil {
			t.Fatal(err)
		}
		if err := CheckPrivate(dir); calms.KindOf(err) != calms.KindInvalid || !strings.Contains(calms.HintOf(err), "chmod go-rwx "+path) {
			t.Errorf("%s open to others: %v", path, err)
		}
		if err := os.Chmod(path, modes[1]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	for _, name := range []string{deviceName, cloudName} {
		c, dir := startCloud(t), t.TempDir()
		c.enrolled(dir)
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, dir := startCloud(t), t.TempDir()
	c.enrolled(dir)
	if err := os.WriteFile(filepath.Join(dir, cloudName), []byte(`{"version": 99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); calms.HintOf(err) == "" {
		t.Errorf("a newer version: %v", err)
	}
}
