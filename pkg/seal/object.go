package seal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

// oaepLabel binds a wrapped key to its purpose.
var oaepLabel = []byte("calms session key v1")

// IngestKey is the public key that session keys are wrapped to.
type IngestKey struct {
	ID  string
	Key *rsa.PublicKey
}

// ParseIngestKey reads a public key as it travels.
func ParseIngestKey(k wire.IngestKey) (IngestKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(k.PublicKey)
	if err != nil {
		return IngestKey{}, calms.Errorf(calms.KindInvalid, "ingest key %q is malformed: %w", k.ID, err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok || key.Size() < 256 {
		return IngestKey{}, calms.Errorf(calms.KindInvalid, "ingest key %q is no RSA key of at least 2048 bits", k.ID)
	}
	return IngestKey{ID: k.ID, Key: key}, nil
}

// New draws a session key for one journal, wraps it to the ingest key and signs
// it with the device certificate.
func New(journal wire.JournalID, ingest IngestKey, certificate tls.Certificate) (*Session, error) {
	key := newKey()
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, ingest.Key, key, oaepLabel)
	if err != nil {
		return nil, calms.Wrap("wrap session key", err)
	}
	object := wire.SessionObject{
		Kind: wire.ObjectSession, Journal: journal,
		IngestKey: ingest.ID, Wrapped: wrapped, Chain: certificate.Certificate,
	}
	signer, ok := certificate.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, calms.Errorf(calms.KindInvalid, "the device certificate has no private key")
	}
	digest := sha256.Sum256(object.Signed())
	if object.Signature, err = signer.Sign(rand.Reader, digest[:], signatureHash); err != nil {
		return nil, calms.Wrap("sign session object", err)
	}
	return newSession(key, journal, wire.Encode(object))
}

// Opener opens session objects with the ingest keys of the cloud.
type Opener struct {
	// Key returns the private ingest key of an id, of kind not-found where there
	// never was one.
	Key func(id string) (*rsa.PrivateKey, error)
	// Verify checks a chain, leaf first, against all device authorities there
	// ever were, ignoring expiry, and returns whose certificate it is.
	Verify func(chain []*x509.Certificate) (calms.DeviceID, error)
}

// Open checks whose a session object is and unwraps its key. The device of the
// certificate and of the journal must be the one that is expected.
func (o Opener) Open(device calms.DeviceID, encoded []byte) (*Session, error) {
	object, err := wire.DecodeSession(encoded)
	if err != nil {
		return nil, err
	}
	if err := o.checkOrigin(device, object); err != nil {
		return nil, err
	}
	private, err := o.Key(object.IngestKey)
	if err != nil {
		return nil, err
	}
	key, err := rsa.DecryptOAEP(sha256.New(), nil, private, object.Wrapped, oaepLabel)
	if err != nil || len(key) != sessionKeySize {
		return nil, calms.Errorf(calms.KindInvalid, "session key is not wrapped to ingest key %q", object.IngestKey)
	}
	return newSession(key, object.Journal, encoded)
}

func (o Opener) checkOrigin(device calms.DeviceID, object wire.SessionObject) error {
	if object.Journal.Device != device {
		return calms.Errorf(calms.KindForbidden, "session of %s came from %s", object.Journal.Device, device)
	}
	chain := make([]*x509.Certificate, 0, len(object.Chain))
	for _, der := range object.Chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return calms.Errorf(calms.KindInvalid, "certificate in a session object is malformed: %w", err)
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 {
		return calms.Errorf(calms.KindInvalid, "session object has no certificate")
	}
	owner, err := o.Verify(chain)
	if err != nil {
		return err
	}
	if owner != device {
		return calms.Errorf(calms.KindForbidden, "session of %s is signed with the certificate of %s", device, owner)
	}
	return checkSignature(chain[0].PublicKey, object)
}

func checkSignature(public any, object wire.SessionObject) error {
	digest := sha256.Sum256(object.Signed())
	switch key := public.(type) {
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(key, signatureHash, digest[:], object.Signature) == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(key, digest[:], object.Signature) {
			return nil
		}
	}
	return calms.Errorf(calms.KindForbidden, "session object is not signed by its certificate")
}
