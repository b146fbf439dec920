package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// authority is a root that signs servers, as the cloud's PKI does.
type authority struct {
	root    *x509.Certificate
	key     *ecdsa.PrivateKey
	rootPEM []byte
	extra   []byte // a certificate that its servers send besides
}

// cloud is a server that shows its leaf and the root.
type cloud struct {
	authority *authority
	url       string
	leaf      []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, template := newKey(t), template(name)
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	raw := sign(t, template, template, key, key)
	root, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{root: root, key: key, rootPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}
}

func (a *authority) fingerprint() [32]byte { return sha256.Sum256(a.root.Raw) }

func (c *cloud) leafFingerprint() [32]byte { return sha256.Sum256(c.leaf) }

// serve starts a server whose certificate has the first of the names, or "server".
func serve(t *testing.T, a *authority, handler http.HandlerFunc, names ...string) *cloud {
	t.Helper()
	key, leaf := newKey(t), template(append(names, "server")[0])
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	raw := sign(t, leaf, a.root, key, a.key)
	chain := [][]byte{raw, a.root.Raw}
	if a.extra != nil {
		chain = append(chain, a.extra)
	}
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what is tested
	server.StartTLS()
	t.Cleanup(server.Close)
	return &cloud{authority: a, url: server.URL, leaf: raw}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
	}
}

func sign(t *testing.T, certificate, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	raw, err := x509.CreateCertificate(rand.Reader, certificate, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
