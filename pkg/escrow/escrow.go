// Package escrow makes and opens the key of a backup repository. The key pair
// is made where an operator works and is wrapped to the people who may restore;
// a daemon gets the public half and the wrapped private half, so that it can
// write backups and can never read one.
//
// Everything is age (age-encryption.org/v1): a wrapped key opens with the stock
// age program as well.
package escrow

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"go.calms.com/calms/pkg/calms"
)

// Key is what a repository is set up with. It holds no secret.
type Key struct {
	Recipient string   // the repository's public key, "age1…": packs and facts are sealed to it
	Wrapped   []byte   // the repository's identity, an age file that any of People opens
	People    []string // public keys of the people who may restore, as they were given
}

// maxWrapped bounds a wrapped key: a header with many recipients and 74 bytes.
const maxWrapped = 1 << 20

// Make draws a repository's key pair and wraps the private half to people,
// whose public keys are given one per string ("age1…"). The private half
// exists in this call only. It is an error of [calms.KindInvalid] when there is
// nobody to wrap it to, or when one of the keys does not parse.
func Make(people []string) (Key, error) {
	people, recipients, err := parse(people)
	if err != nil {
		return Key{}, calms.Wrap("make repository key", err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return Key{}, calms.Wrap("make repository key", err)
	}
	wrapped, err := wrap(identity, recipients)
	if err != nil {
		return Key{}, calms.Wrap("make repository key", err)
	}
	return Key{Recipient: identity.Recipient().String(), Wrapped: wrapped, People: people}, nil
}

func wrap(identity *age.X25519Identity, recipients []age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(w, identity); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Check tells whether a key is one that a repository may be set up with: its
// recipient parses, the wrapped part is an age file, and somebody can open it.
func Check(k Key) error {
	if _, err := age.ParseX25519Recipient(k.Recipient); err != nil {
		return calms.Errorf(calms.KindInvalid, "the repository's recipient %q is not an age public key: %w", k.Recipient, err)
	}
	if len(k.Wrapped) > maxWrapped {
		return calms.Errorf(calms.KindInvalid, "the wrapped key has %d bytes, at most %d are allowed", len(k.Wrapped), maxWrapped)
	}
	if _, err := age.ExtractHeader(bytes.NewReader(k.Wrapped)); err != nil {
		return calms.Errorf(calms.KindInvalid, "the wrapped key is not an age file: %w", err)
	}
	_, _, err := parse(k.People)
	return err
}

// Unwrap opens a wrapped key with the identity of one of the people that it was
// wrapped to. The error is [calms.KindForbidden] when none of identities fits.
func Unwrap(wrapped []byte, identities []age.Identity) (*age.X25519Identity, error) {
	const op = "unwrap repository key"
	if len(identities) == 0 {
		return nil, calms.Wrap(op, calms.Errorf(calms.KindInvalid, "no identity is given").
			WithHint("pass the age identity file of one of the people who may restore"))
	}
	r, err := age.Decrypt(bytes.NewReader(wrapped), identities...)
	if err != nil {
		return nil, calms.Wrap(op, calms.Errorf(unwrapKind(err), "%w", err).
			WithHint("the people whose keys open a repository are listed in its repository.json"))
	}
	text, err := io.ReadAll(io.LimitReader(r, maxWrapped))
	if err != nil {
		return nil, calms.Wrap(op, calms.Errorf(calms.KindInvalid, "the wrapped key is damaged: %w", err))
	}
	return ParseIdentity(string(text))
}

func unwrapKind(err error) calms.Kind {
	if _, ok := err.(*age.NoIdentityMatchError); ok {
		return calms.KindForbidden
	}
	return calms.KindInvalid
}

// ParseIdentity reads the unwrapped form of a repository's key,
// "AGE-SECRET-KEY-1…". The error never repeats the text.
func ParseIdentity(text string) (*age.X25519Identity, error) {
	identity, err := age.ParseX25519Identity(strings.TrimSpace(text))
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "this is not a repository key: AGE-SECRET-KEY-1… is expected")
	}
	return identity, nil
}

// ReadIdentities reads an age identity file: keys one per line, '#' begins a
// comment. The error never repeats the file's text.
func ReadIdentities(r io.Reader) ([]age.Identity, error) {
	identities, err := age.ParseIdentities(io.LimitReader(r, maxWrapped))
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "read identity file: no age identity in it, or a line that is none").
			WithHint("age-keygen -o key.txt makes one")
	}
	return identities, nil
}
