package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
)

var deviceUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}

func newKey(t testing.TB, a Algorithm) crypto.Signer {
	t.Helper()
	key, err := NewKey(a)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// family is a root and an intermediate for devices, made at one moment.
type family struct {
	root    *x509.Certificate
	rootKey crypto.Signer
	devices Authority
}

func newFamily(t testing.TB, a Algorithm, now time.Time) family {
	t.Helper()
	f := family{rootKey: newKey(t, a)}
	var err error
	if f.root, err = NewRoot(f.rootKey, "calms root test", now, 10*365*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	key := newKey(t, a)
	c, err := Authority{f.root, f.rootKey}.IssueAuthority(key.Public(), "calms devices test", deviceUsage, now, 5*365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	f.devices = Authority{c, key}
	return f
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

func TestOpenSSLAgreesWithOurChains(t *testing.T) {
	for _, algorithm := range []Algorithm{RSA2048, P256} {
		t.Run(string(algorithm), func(t *testing.T) {
			now := time.Now()
			f, id, dir := newFamily(t, algorithm, now), calms.NewDeviceID(), t.TempDir()
			device := must[*x509.Certificate](t)(f.devices.IssueDevice(newKey(t, algorithm).Public(), id, now, time.Hour))
			services := newKey(t, algorithm)
			both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
			middle := must[*x509.Certificate](t)(Authority{f.root, f.rootKey}.IssueAuthority(services.Public(), "calms services test", both, now, time.Hour))
			server := must[*x509.Certificate](t)(Authority{middle, services}.IssueService(newKey(t, algorithm).Public(), "broker", []string{"localhost", "127.0.0.1"}, now, time.Hour))

			write := func(name string, c *x509.Certificate) string {
				path := filepath.Join(dir, name)
				if err := WriteChain(path, c); err != nil {
					t.Fatal(err)
				}
				return path
			}
			root := write("root.pem", f.root)
			verify := func(args ...string) (string, error) {
				out, err := exec.Command("openssl", append([]string{"verify", "-x509_strict", "-CAfile", root}, args...)...).CombinedOutput()
				return string(out), err
			}
			if out, err := verify("-untrusted", write("d.pem", f.devices.Certificate), "-purpose", "sslclient", write("dev.pem", device)); err != nil {
				t.Errorf("device: %v: %s", err, out)
			}
			if out, err := verify("-untrusted", write("s.pem", middle), "-purpose", "sslserver", "-verify_ip", "127.0.0.1", write("srv.pem", server)); err != nil {
				t.Errorf("server: %v: %s", err, out)
			}
			if out, err := verify("-untrusted", filepath.Join(dir, "d.pem"), "-purpose", "sslserver", filepath.Join(dir, "dev.pem")); err == nil {
				t.Errorf("a device certificate passes as a server: %s", out)
			}
			out, err := exec.Command("openssl", "x509", "-in", filepath.Join(dir, "dev.pem"), "-noout", "-subject", "-ext", "subjectAltName", "-fingerprint", "-sha256").CombinedOutput()
			for _, want := range []string{"CN = " + string(id), "URI:urn:calms:device:" + string(id)} {
				if err != nil || !strings.Contains(string(out), want) {
					t.Errorf("openssl shows (%v) %s, want %q", err, out, want)
				}
			}
			plain := strings.ToLower(strings.ReplaceAll(string(out), ":", ""))
			if !strings.Contains(plain, FingerprintOf(device).String()) {
				t.Errorf("openssl's fingerprint is not %s: %s", FingerprintOf(device), out)
			}
		})
	}
}

func TestOpenSSLReadsOurRequestsAndKeys(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, RSA2048)
	request := must[[]byte](t)(NewRequest(key, "edge"))
	path := filepath.Join(dir, "csr")
	if err := os.WriteFile(path, request, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("openssl", "req", "-inform", "DER", "-in", path, "-verify", "-noout").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if err := WriteKey(filepath.Join(dir, "key"), key); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("openssl", "pkey", "-in", filepath.Join(dir, "key"), "-check", "-noout").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if info, err := os.Stat(filepath.Join(dir, "key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v, %v", info.Mode(), err)
	}
	if back, err := ReadKey(filepath.Join(dir, "key")); err != nil || !SameKey(back.Public(), key.Public()) {
		t.Errorf("another key came back: %v", err)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	wrongCurve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request := func(key crypto.Signer) []byte { return must[[]byte](t)(NewRequest(key, "x")) }
	forged := request(newKey(t, P256))
	forged[len(forged)-1] ^= 1
	for want, der := range map[string][]byte{
		"1024 bits": request(small),
		"P-384":     request(wrongCurve),
		"own key":   forged,
		"malformed": []byte("no request"),
		"at most":   make([]byte, maxRequest+1),
	} {
		if _, err := ParseRequest(der); err == nil || !strings.Contains(err.Error(), want) || calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, good := range []Algorithm{RSA2048, P256} {
		key := newKey(t, good)
		if public, err := ParseRequest(request(key)); err != nil || !SameKey(public, key.Public()) {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestVerifyIgnoringExpiry(t *testing.T) {
	longAgo := time.Now().Add(-20 * 365 * 24 * time.Hour)
	f, stranger := newFamily(t, P256, longAgo), newFamily(t, P256, longAgo)
	leaf := must[*x509.Certificate](t)(f.devices.IssueDevice(newKey(t, P256).Public(), calms.NewDeviceID(), longAgo, time.Hour))
	chain := []*x509.Certificate{leaf, f.devices.Certificate}
	if err := VerifyIgnoringExpiry(chain, Pool(f.root), x509.ExtKeyUsageClientAuth); err != nil {
		t.Errorf("a chain whose root has ended is refused: %v", err)
	}
	if err := VerifyIgnoringExpiry(chain[:1], Pool(f.devices.Certificate), x509.ExtKeyUsageClientAuth); err != nil {
		t.Errorf("an intermediate is no anchor: %v", err)
	}
	for name, err := range map[string]error{
		"other root":  VerifyIgnoringExpiry(chain, Pool(stranger.root), x509.ExtKeyUsageClientAuth),
		"other usage": VerifyIgnoringExpiry(chain, Pool(f.root), x509.ExtKeyUsageServerAuth),
		"no chain":    VerifyIgnoringExpiry(nil, Pool(f.root), x509.ExtKeyUsageClientAuth),
		"gap":         VerifyIgnoringExpiry(chain[:1], Pool(f.root), x509.ExtKeyUsageClientAuth),
	} {
		if calms.KindOf(err) != calms.KindUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDeviceOfTakesDeviceCertificatesOnly(t *testing.T) {
	now := time.Now()
	f, id := newFamily(t, P256, now), calms.NewDeviceID()
	public := newKey(t, P256).Public()
	device := must[*x509.Certificate](t)(f.devices.IssueDevice(public, id, now, time.Hour))
	if got, err := DeviceOf(device); err != nil || got != id {
		t.Errorf("got %q, %v", got, err)
	}
	named := must[*x509.Certificate](t)(f.devices.IssueService(public, string(id), []string{string(id)}, now, time.Hour))
	other := *device
	other.Subject.CommonName = string(calms.NewDeviceID())
	two := *device
	two.URIs = append(two.URIs, DeviceURI(calms.NewDeviceID()))
	for name, c := range map[string]*x509.Certificate{"service": named, "other name": &other, "two": &two, "authority": f.devices.Certificate} {
		if got, err := DeviceOf(c); err == nil {
			t.Errorf("%s passes as %q", name, got)
		}
	}
}

func TestLifetimesEndWithTheIssuer(t *testing.T) {
	now := time.Now()
	f := newFamily(t, P256, now)
	leaf := must[*x509.Certificate](t)(f.devices.IssueDevice(newKey(t, P256).Public(), calms.NewDeviceID(), now, 100*365*24*time.Hour))
	if !leaf.NotAfter.Equal(f.devices.Certificate.NotAfter) {
		t.Errorf("the leaf ends %s, its issuer %s", leaf.NotAfter, f.devices.Certificate.NotAfter)
	}
	later := f.devices.Certificate.NotAfter.Add(time.Hour)
	if _, err := f.devices.IssueDevice(newKey(t, P256).Public(), calms.NewDeviceID(), later, time.Hour); calms.HintOf(err) == "" {
		t.Errorf("an ended authority gives %v", err)
	}
	short := must[*x509.Certificate](t)(f.devices.IssueDevice(newKey(t, P256).Public(), calms.NewDeviceID(), now, 10*time.Second))
	if life := lifeOf(short); life < 9*time.Second || life > 11*time.Second {
		t.Errorf("a certificate of ten seconds lives %s", life)
	}
}

func FuzzParseRequest(f *testing.F) {
	key := newKey(f, P256)
	f.Add(must[[]byte](f)(NewRequest(key, "x")))
	f.Add([]byte{0x30, 0x82})
	f.Fuzz(func(t *testing.T, der []byte) {
		if public, err := ParseRequest(der); err == nil && CheckKey(public) != nil {
			t.Error("a request with a refused key passed")
		}
	})
}

func FuzzParsePEM(f *testing.F) {
	fam := newFamily(f, P256, time.Now())
	f.Add(EncodeChain(fam.root, fam.devices.Certificate))
	f.Add(must[[]byte](f)(EncodeKey(fam.rootKey)))
	f.Add([]byte("-----BEGIN CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if chain, err := ParseChain(text); err == nil {
			if again, err := ParseChain(EncodeChain(chain...)); err != nil || len(again) != len(chain) {
				t.Errorf("a chain does not survive: %v", err)
			}
		}
		if key, err := ParseKey(text); err == nil && key.Public() == nil {
			t.Error("a key without a public half")
		}
	})
}
