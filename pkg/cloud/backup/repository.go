package backup

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"time"

	"filippo.io/age"

	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/calms"
)

// The names of objects in a repository.
const (
	aboutName       = "repository.json"
	keyName         = "key.age"
	packPrefix      = "packs/"
	manifestPrefix  = "manifests/"
	factPrefix      = "facts/"
	timeInNames     = "20060102t150405z" // UTC
	sealedExtension = ".age"
)

// About describes a repository; it is its file repository.json.
type About struct {
	Version   int       `json:"version"`
	ID        string    `json:"id"`
	Created   time.Time `json:"created"`
	Recipient string    `json:"recipient"` // age public key that packs and facts are sealed to
	People    []string  `json:"people"`    // age public keys that key.age is sealed to
	Signer    []byte    `json:"signer"`    // Ed25519 public key of the writer
}

// Repository reads a repository; it needs no key for what it does. Safe for
// concurrent use.
type Repository struct {
	About  About
	bucket blob.Bucket
	signer ed25519.PublicKey // whose manifests are believed
}

// OpenRepository reads what a bucket says about itself. Manifests are believed
// when the key in repository.json signed them: that finds damage and foreign
// manifests, but not an attacker who replaced the whole repository. A bucket
// that holds no repository gives [calms.KindNotFound].
func OpenRepository(ctx context.Context, bucket blob.Bucket) (*Repository, error) {
	about, err := readAbout(ctx, bucket)
	if err != nil {
		return nil, calms.Wrap("open repository", err)
	}
	return &Repository{About: about, bucket: bucket, signer: about.Signer}, nil
}

func readAbout(ctx context.Context, bucket blob.Bucket) (about About, err error) {
	text, err := bucket.Get(ctx, aboutName)
	if err != nil {
		return About{}, err
	}
	if err := checkVersion(text); err != nil {
		return About{}, calms.Wrap(aboutName, err)
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return About{}, calms.Wrap(aboutName, calms.Errorf(calms.KindInvalid, "%w", err))
	}
	_, err = age.ParseX25519Recipient(about.Recipient)
	if err != nil || len(about.Signer) != ed25519.PublicKeySize {
		return About{}, calms.Errorf(calms.KindInvalid, "%s has no valid recipient or signer", aboutName)
	}
	return about, nil
}

// WrappedKey is the repository's identity, wrapped to the people who may
// restore: see escrow.Unwrap.
func (r *Repository) WrappedKey(ctx context.Context) ([]byte, error) {
	key, err := r.bucket.Get(ctx, keyName)
	return key, calms.Wrap("read repository key", err)
}

// makeRepository writes a new repository. What a broken-off call left does not stand in
// the way of the same call again.
func makeRepository(ctx context.Context, bucket blob.Bucket, about About, wrapped []byte) error {
	if err := bucket.Put(ctx, keyName, wrapped); err != nil && !same(ctx, bucket, keyName, wrapped, err) {
		return err
	}
	text, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return err
	}
	return bucket.Put(ctx, aboutName, append(text, '\n'))
}

// same tells whether a put failed only because the object is there already.
func same(ctx context.Context, bucket blob.Bucket, name string, data []byte, putErr error) bool {
	if calms.KindOf(putErr) != calms.KindConflict {
		return false
	}
	there, err := bucket.Get(ctx, name)
	return err == nil && string(there) == string(data)
}

// missing tells whether an error says that an object or a place is not there,
// in contrast to being there and wrong.
func missing(err error) bool { return calms.KindOf(err) == calms.KindNotFound }

// broken tells whether an error is about one object's content or absence. All
// else (an unreachable place, an ended context) says nothing about the object.
func broken(err error) bool {
	kind := calms.KindOf(err)
	return (kind == calms.KindInvalid || kind == calms.KindNotFound) && !errors.Is(err, context.Canceled)
}
