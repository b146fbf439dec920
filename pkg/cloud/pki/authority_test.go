package pki

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
)

func TestFirstStartMakesAuthoritiesThatOpenSSLAccepts(t *testing.T) {
	for _, algorithm := range []certs.Algorithm{certs.RSA2048, certs.P256} {
		b := newBench(t, func(o *Options) { o.Algorithm = algorithm })
		_, device := b.device(t)
		service, err := b.ServiceCertificate(t.Context(), "api", []string{"localhost", "127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for purpose, chain := range map[string][]*x509.Certificate{"sslclient": device, "sslserver": parse(t)(service.Certificate, nil)} {
			files := make([]string, len(chain))
			for i, c := range chain {
				files[i] = filepath.Join(dir, purpose+string(rune('0'+i)))
				if err := certs.WriteChain(files[i], c); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", files[2], "-untrusted", files[1], files[0]).CombinedOutput()
			if err != nil {
				t.Errorf("%s %s: %v: %s", algorithm, purpose, err, out)
			}
		}
		if info, err := os.Stat(filepath.Join(b.dir, "root.key")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the root's key: %v, %v", info, err)
		}
	}
}

func TestAuthoritiesAreMadeOnce(t *testing.T) {
	b := newBench(t)
	id, chain := b.device(t)
	root, err := b.RootCertificate()
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	b.open(t)
	if again, err := b.RootCertificate(); err != nil || !again.Equal(root) {
		t.Errorf("another root after a restart: %v", err)
	}
	if got, err := b.Verify(chain); err != nil || got != id {
		t.Errorf("got %q, %v", got, err)
	}
	if n := len(b.Authorities()); n != 3 {
		t.Errorf("%d authorities", n)
	}
}

func TestAFirstStartThatDiedKeepsTheRootKey(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t)
	if err := certs.WriteKey(filepath.Join(dir, "root.key"), key); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), dir, Options{Algorithm: certs.P256})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if root, err := s.RootCertificate(); err != nil || !certs.SameKey(root.PublicKey, key.Public()) {
		t.Errorf("the root has another key: %v", err)
	}
}

func TestTakeRoot(t *testing.T) {
	b := newBench(t)
	away := filepath.Join(t.TempDir(), "usb.key")
	taken := filepath.Join(t.TempDir(), "there.key")
	if err := os.WriteFile(taken, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.TakeRoot(t.Context(), taken); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("onto a file that exists: %v", err)
	}
	if err := b.TakeRoot(t.Context(), filepath.Join(t.TempDir(), "none", "x")); err == nil || !b.RootKeyHere() {
		t.Errorf("into no directory: %v, key here: %v", err, b.RootKeyHere())
	}
	if err := b.TakeRoot(t.Context(), away); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(away); err != nil || info.Mode().Perm() != 0o600 || b.RootKeyHere() {
		t.Errorf("taken: %v, %v; still here: %v", info, err, b.RootKeyHere())
	}
	if err := b.TakeRoot(t.Context(), away+"2"); calms.KindOf(err) != calms.KindNotFound || calms.HintOf(err) == "" {
		t.Errorf("twice: %v", err)
	}
	b.Close()
	b.open(t)
	b.device(t) // running does not need it
	if _, err := b.Rotate(t.Context(), Devices, ""); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("rotate without the key: %v", err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign.key")
	if err := certs.WriteKey(foreign, newKey(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Rotate(t.Context(), Devices, foreign); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("rotate with a foreign key: %v", err)
	}
	if _, err := b.Rotate(t.Context(), Devices, away); err != nil {
		t.Errorf("rotate with the key brought back: %v", err)
	}
	if b.audited(t, "authority.take-root") != 1 {
		t.Error("not audited")
	}
}

func TestARotatedAuthorityWaitsForTheBackup(t *testing.T) {
	b := newBench(t)
	_, before := b.device(t)
	next, err := b.Rotate(t.Context(), Devices, "")
	if err != nil || !next.Pending() {
		t.Fatal(next, err)
	}
	if _, meanwhile := b.device(t); !meanwhile[1].Equal(before[1]) {
		t.Error("a pending authority issued")
	}
	if err := b.Confirm(t.Context(), next.ID, "nonsense"); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("an unknown id: %v", err)
	}
	if _, meanwhile := b.device(t); !meanwhile[1].Equal(before[1]) {
		t.Error("half a confirmation counted")
	}
	for range 2 {
		if err := b.Confirm(t.Context(), next.ID); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.audited(t, "authority.confirm"); n != 1 {
		t.Errorf("%d confirmations audited", n)
	}
	b.Close()
	b.open(t)
	_, after := b.device(t)
	if !after[1].Equal(next.Certificate) {
		t.Error("the confirmed authority does not issue")
	}
	for _, chain := range [][]*x509.Certificate{before, after} {
		if _, err := b.Verify(chain); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Rotate(t.Context(), Root, ""); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("rotating the root: %v", err)
	}
}
