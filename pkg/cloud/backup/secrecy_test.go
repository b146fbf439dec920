package backup

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"go.calms.com/calms/pkg/facts"
)

// protected is an installation with a snapshot and a fact.
func protected(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.init()
	r.add(0, 50, 20<<10)
	if err := r.service.Facts().Append(t.Context(), facts.DeviceRevoked, marker, time.Now(), map[string]string{"reason": marker}); err != nil {
		t.Fatal(err)
	}
	r.take()
	return r
}

func TestRepositoryShowsNoPlaintext(t *testing.T) {
	r := protected(t)
	files := entries(t, r.repo)
	if len(files) < 7 {
		t.Fatalf("the repository holds %v", files)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{marker, marker[:12], "Y29tcC0zLWZsb3c", "AGE-SECRET-KEY", "INSERT", `"table"`} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s holds %q in the clear", path, secret)
			}
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
	}
}

// Whoever captures the daemon gets its whole data directory. No identity made
// of anything in it opens anything in the repository.
func TestDaemonHasNoReadKey(t *testing.T) {
	r := protected(t)
	var have bytes.Buffer
	for _, path := range entries(t, r.data) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		have.Write(data)
	}
	if bytes.Contains(bytes.ToUpper(have.Bytes()), []byte("AGE-SECRET-KEY-")) {
		t.Error("the data directory holds an age identity")
	}
	own := r.identity()
	if bytes.Contains(have.Bytes(), []byte(own.String())) || bytes.Contains(have.Bytes(), []byte(r.person.String())) {
		t.Error("the data directory holds a key that reads")
	}
	k, err := r.service.keeping(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var stolen []age.Identity
	for _, secret := range [][]byte{k.namingKey, k.signer.Seed(), k.signer} {
		scrypt, err := age.NewScryptIdentity(string(secret))
		if err != nil {
			t.Fatal(err)
		}
		stolen = append(stolen, scrypt, identityOf(t, secret[:32]))
	}
	sealed := 0
	for _, path := range entries(t, r.repo) {
		if !strings.HasSuffix(path, sealedExtension) {
			continue
		}
		sealed++
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := age.Decrypt(bytes.NewReader(data), stolen...); err == nil {
			t.Errorf("%s opens with what the daemon has", path)
		}
		if _, err := age.Decrypt(bytes.NewReader(data), own, r.person); err != nil {
			t.Errorf("%s does not open for those who may: %v", path, err)
		}
	}
	if sealed < 5 {
		t.Errorf("only %d sealed files", sealed)
	}
}

// identityOf makes the age identity that 32 bytes would be.
func identityOf(t *testing.T, secret []byte) *age.X25519Identity {
	t.Helper()
	identity, err := age.ParseX25519Identity(bech32(t, secret))
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// bech32 spells bytes the way age spells an identity (BIP 173).
func bech32(t *testing.T, data []byte) string {
	t.Helper()
	const letters, hrp = "qpzry9x8gf2tvdw0s3jn54khce6mua7l", "age-secret-key-"
	var five []byte
	acc, bits := 0, 0
	for _, b := range data {
		acc, bits = acc<<8|int(b), bits+8
		for ; bits >= 5; bits -= 5 {
			five = append(five, byte(acc>>(bits-5)&31))
		}
		acc &= 1<<bits - 1
	}
	if bits > 0 {
		five = append(five, byte(acc<<(5-bits)&31))
	}
	var checked []byte
	for _, c := range []byte(hrp) {
		checked = append(checked, c>>5)
	}
	checked = append(checked, 0)
	for _, c := range []byte(hrp) {
		checked = append(checked, c&31)
	}
	checked = append(append(checked, five...), 0, 0, 0, 0, 0, 0)
	chk := uint32(1)
	for _, v := range checked {
		top := chk >> 25
		chk = chk&0x1ffffff<<5 ^ uint32(v)
		for i, g := range []uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				chk ^= g
			}
		}
	}
	chk ^= 1
	for i := range 6 {
		five = append(five, byte(chk>>(5*(5-i))&31))
	}
	out := []byte(hrp + "1")
	for _, v := range five {
		out = append(out, letters[v])
	}
	return strings.ToUpper(string(out))
}

// A repository must be readable without this program.
func TestStockAgeOpensKeyPacksAndFacts(t *testing.T) {
	if _, err := exec.LookPath("age"); err != nil {
		t.Fatal("the age program is not installed: make setup")
	}
	r := protected(t)
	dir := t.TempDir()
	person, repository := filepath.Join(dir, "person.txt"), filepath.Join(dir, "repository.txt")
	if err := os.WriteFile(person, []byte(r.person.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	decrypt := func(identity, path string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "age", "-d", "-i", identity, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if err := os.WriteFile(repository, decrypt(person, filepath.Join(r.repo, keyName)), 0o600); err != nil {
		t.Fatal(err)
	}
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	var text []byte
	for _, name := range r.packs() {
		plain, err := decoder.DecodeAll(decrypt(repository, filepath.Join(r.repo, name)), nil)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, plain...)
	}
	for _, path := range entries(t, filepath.Join(r.repo, "facts")) {
		text = append(text, decrypt(repository, path)...)
	}
	for _, want := range []string{`{"table":"entries","columns":["number","key_id","body"]}`, marker, facts.DeviceRevoked} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%q is in no pack", want)
		}
	}
}
