package escrow

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"go.calms.com/calms/pkg/calms"
)

func person(t *testing.T) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

func TestEachPersonOpensTheKeyAndNobodyElse(t *testing.T) {
	ana, bor, eve := person(t), person(t), person(t)
	key, err := Make([]string{"# on call", ana.Recipient().String(), " " + bor.Recipient().String() + "\n", ""})
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(key); err != nil {
		t.Errorf("a fresh key is refused: %v", err)
	}
	if len(key.People) != 2 {
		t.Errorf("people are %q", key.People)
	}
	for _, who := range []*age.X25519Identity{ana, bor} {
		identity, err := Unwrap(key.Wrapped, []age.Identity{eve, who})
		if err != nil || identity.Recipient().String() != key.Recipient {
			t.Errorf("a person got %v, %v", identity, err)
		}
	}
	if _, err := Unwrap(key.Wrapped, []age.Identity{eve}); calms.KindOf(err) != calms.KindForbidden || calms.HintOf(err) == "" {
		t.Errorf("a stranger got %v", err)
	}
	if _, err := Unwrap(key.Wrapped, nil); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("no identity gives %v", err)
	}
	damaged := append([]byte(nil), key.Wrapped...)
	damaged[len(damaged)-1] ^= 1
	if _, err := Unwrap(damaged, []age.Identity{ana}); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("a damaged key gives %v", err)
	}
}

func TestRecipientsThatAreNoneAreRefused(t *testing.T) {
	good := person(t).Recipient().String()
	secret := person(t).String()
	for name, people := range map[string][]string{
		"none": nil, "blank": {"", "# nobody"}, "garbage": {good, "bob"}, "secret": {secret}, "half": {good[:len(good)-4]},
		"two in one": {good + "\n" + good}, "ssh": {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG0n bob"},
	} {
		_, err := Make(people)
		if calms.KindOf(err) != calms.KindInvalid || calms.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, calms.HintOf(err))
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats a private key", name)
		}
	}
	key, err := Make([]string{good})
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Key){
		"recipient": func(k *Key) { k.Recipient = "age1x" },
		"wrapped":   func(k *Key) { k.Wrapped = []byte("AGE-SECRET-KEY-1") },
		"people":    func(k *Key) { k.People = nil },
	} {
		bad := key
		if spoil(&bad); calms.KindOf(Check(bad)) != calms.KindInvalid {
			t.Errorf("a key with a wrong %s passes", name)
		}
	}
}

func TestIdentityErrorsKeepTheSecret(t *testing.T) {
	secret := person(t).String() + "X"
	if _, err := ReadIdentities(strings.NewReader(secret)); err == nil || strings.Contains(err.Error(), secret[:30]) {
		t.Errorf("an identity file that is wrong gives %v", err)
	}
	if _, err := ParseIdentity(secret); err == nil || strings.Contains(err.Error(), secret[:30]) {
		t.Errorf("an identity that is wrong gives %v", err)
	}
}

// The wrapped key must outlive this program: the age that a distribution ships
// opens it.
func TestStockAgeOpensTheKey(t *testing.T) {
	if _, err := exec.LookPath("age"); err != nil {
		t.Fatal("the age program is not installed: make setup")
	}
	ana := person(t)
	key, err := Make([]string{ana.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	out, err := exec.CommandContext(t.Context(), "age", "-d", "-i", file("ana.txt", []byte(ana.String())), file("key.age", key.Wrapped)).Output()
	if err != nil {
		t.Fatal(err)
	}
	identity, err := ParseIdentity(string(out))
	if err != nil || identity.Recipient().String() != key.Recipient {
		t.Errorf("age gives %v, %v", identity, err)
	}
}
