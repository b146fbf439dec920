package escrow

import (
	"bytes"
	"testing"
)

func TestANewPersonCanRestore(t *testing.T) {
	file, recipient, err := NewPerson()
	if err != nil {
		t.Fatal(err)
	}
	key, err := Make([]string{recipient})
	if err != nil {
		t.Fatal(err)
	}
	identities, err := ReadIdentities(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if identity, err := Unwrap(key.Wrapped, identities); err != nil || identity.Recipient().String() != key.Recipient {
		t.Errorf("unwrapped %v, %v", identity, err)
	}
}
