package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"

	"go.calms.com/calms/pkg/calms"
)

// Algorithm is a kind of key.
type Algorithm string

// The algorithms that certificates are issued for, and no others.
const (
	RSA2048 Algorithm = "rsa-2048" // the default
	P256    Algorithm = "p-256"    // ECDSA; far cheaper to sign with
)

const rsaBits = 2048

// NewKey makes a private key; an empty algorithm is [RSA2048]. RSA takes some
// tens of milliseconds, on a small edge seconds.
func NewKey(algorithm Algorithm) (crypto.Signer, error) {
	switch algorithm {
	case RSA2048, "":
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return nil, calms.Errorf(calms.KindInvalid, "key algorithm %q is unknown: use %s or %s", algorithm, RSA2048, P256)
	}
}

// CheckKey refuses public keys that no certificate may be issued for: RSA of
// 2048 bits with exponent 65537 and ECDSA on P-256 are accepted.
func CheckKey(public crypto.PublicKey) error {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() == rsaBits && key.E == 65537 {
			return nil
		}
		return calms.Errorf(calms.KindInvalid, "the RSA key has %d bits and exponent %d: 2048 bits and 65537 are needed", key.N.BitLen(), key.E)
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return nil
		}
		return calms.Errorf(calms.KindInvalid, "the ECDSA key is on %s: P-256 is needed", key.Curve.Params().Name)
	default:
		return calms.Errorf(calms.KindInvalid, "keys of type %T are not accepted: use RSA-2048 or P-256", public)
	}
}

// Fingerprint is a SHA-256 that names a certificate or a key.
type Fingerprint [sha256.Size]byte

func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// FingerprintOf names a whole certificate: the SHA-256 of its DER, as
// `openssl x509 -fingerprint -sha256` shows it.
func FingerprintOf(c *x509.Certificate) Fingerprint { return sha256.Sum256(c.Raw) }

// KeyFingerprint names a public key: the SHA-256 of its PKIX DER.
func KeyFingerprint(public crypto.PublicKey) (Fingerprint, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Fingerprint{}, calms.Wrap("name key", err)
	}
	return sha256.Sum256(der), nil
}

// SameKey reports whether two public keys are one.
func SameKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}
