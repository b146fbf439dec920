package escrow

import (
	"fmt"

	"filippo.io/age"
)

// NewPerson makes the identity of somebody who may restore, in the form of an
// identity file of the age program, and its recipient. The file is the secret.
func NewPerson() (file []byte, recipient string, err error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, "", err
	}
	recipient = identity.Recipient().String()
	return fmt.Appendf(nil, "# public key: %s\n%s\n", recipient, identity), recipient, nil
}
