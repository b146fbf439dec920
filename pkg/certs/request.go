package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"

	"go.calms.com/calms/pkg/calms"
)

// NewRequest makes a certificate request (DER) for key. The name is for people
// who read it: the issuer decides what the certificate says.
func NewRequest(key crypto.Signer, name string) ([]byte, error) {
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	return der, calms.Wrap("make certificate request", err)
}

// maxRequest bounds what is parsed; a request for RSA-2048 is under 1 KiB.
const maxRequest = 8 << 10

// ParseRequest reads a request (DER) and returns its public key, whose
// possession the signature proved. Keys that [CheckKey] refuses are refused.
// Names and extensions are ignored. Errors are [calms.KindInvalid].
func ParseRequest(der []byte) (crypto.PublicKey, error) {
	if len(der) > maxRequest {
		return nil, calms.Errorf(calms.KindInvalid, "the certificate request has %d bytes, at most %d are read", len(der), maxRequest)
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "the certificate request is malformed: %w", err)
	}
	// The key first: checking a signature by a huge one would cost us dear.
	if err := CheckKey(request.PublicKey); err != nil {
		return nil, err
	}
	if err := request.CheckSignature(); err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "the certificate request is not signed by its own key: %w", err)
	}
	return request.PublicKey, nil
}
