package main

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/wire"
)

// cloud answers the two routes that an edge asks, with certificates of its own
// authorities. What a cloud does with entries is tested with the real one.
type cloud struct {
	t       testing.TB
	server  *httptest.Server
	root    *x509.Certificate
	devices certs.Authority
	device  calms.DeviceID
	ingest  []byte
	count   atomic.Int64 // requests that came
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func startCloud(t testing.TB) *cloud {
	now := time.Now()
	c := &cloud{t: t, device: calms.NewDeviceID()}
	newKey := func() certs.Authority {
		return certs.Authority{Signer: must[crypto.Signer](t)(certs.NewKey(certs.P256))}
	}
	root, devices, services, leaf := newKey(), newKey(), newKey(), newKey()
	root.Certificate = must[*x509.Certificate](t)(certs.NewRoot(root.Signer, "root", now, time.Hour))
	c.root = root.Certificate
	devices.Certificate = must[*x509.Certificate](t)(root.IssueAuthority(devices.Signer.Public(), "devices", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, now, time.Hour))
	c.devices = devices
	services.Certificate = must[*x509.Certificate](t)(root.IssueAuthority(services.Signer.Public(), "services", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, now, time.Hour))
	own := must[*x509.Certificate](t)(services.IssueService(leaf.Signer.Public(), "api", []string{"127.0.0.1"}, now, time.Hour))
	ingest := must[crypto.Signer](t)(certs.NewKey(certs.RSA2048))
	c.ingest = must[[]byte](t)(x509.MarshalPKIXPublicKey(ingest.Public()))

	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/edge/enroll", c.enroll)
	mux.HandleFunc("GET /v1/version", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(api.Version{Version: "test"}) })
	c.server = httptest.NewUnstartedServer(mux)
	c.server.TLS = &tls.Config{Certificates: []tls.Certificate{{
		Certificate: certs.DER(own, services.Certificate, root.Certificate), PrivateKey: leaf.Signer,
	}}}
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	return c
}

func (c *cloud) ticket() wire.Ticket {
	return wire.Ticket{ID: "t-1", Secret: [32]byte{7}, CA: certs.FingerprintOf(c.root), URL: c.server.URL}
}

func (c *cloud) enroll(w http.ResponseWriter, r *http.Request) {
	c.count.Add(1)
	var request api.EnrollRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.TicketID != "t-1" || request.Secret[0] != 7 {
		http.Error(w, "no such ticket", http.StatusForbidden)
		return
	}
	public := must[crypto.PublicKey](c.t)(certs.ParseRequest(request.CSR))
	leaf := must[*x509.Certificate](c.t)(c.devices.IssueDevice(public, c.device, time.Now(), time.Hour))
	json.NewEncoder(w).Encode(api.Enrollment{
		DeviceID: string(c.device), Path: "acme/lj/c3", Shard: 3, Certificate: certs.DER(leaf, c.devices.Certificate),
		Registration: wire.Encode(wire.SignedRegistration{Body: []byte("b"), Signature: []byte("s")}),
		Links: api.Links{
			Authorities: certs.DER(c.root), Broker: "127.0.0.1:1", API: c.server.URL,
			IngestKeys: []api.IngestKey{{ID: "k-1", PublicKey: c.ingest}},
		},
	})
}

// asked tells whether requests have come since the last time.
func asked(ts *testscript.TestScript, neg bool, _ []string) {
	c := ts.Value(cloudKey{}).(*cloud)
	if came := c.count.Swap(0) > 0; came == neg {
		ts.Fatalf("a request came: %v", came)
	}
}
