package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
)

const (
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY" // PKCS #8
)

// EncodeKey is a private key as PEM (PKCS #8).
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, calms.Wrap("encode key", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

// ParseKey reads what [EncodeKey] wrote. Errors show nothing of the content.
func ParseKey(text []byte) (crypto.Signer, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemKey || len(bytes.TrimSpace(rest)) > 0 {
		return nil, calms.Errorf(calms.KindInvalid, "there is not exactly one PEM block %q", pemKey)
	}
	return ParseKeyDER(block.Bytes)
}

// ParseKeyDER reads a private key in PKCS #8.
func ParseKeyDER(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "the private key is malformed")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, calms.Errorf(calms.KindInvalid, "a key of type %T cannot sign", key)
	}
	return signer, nil
}

// EncodeChain is certificates as PEM, in the order given.
func EncodeChain(chain ...*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, c := range chain {
		pem.Encode(&text, &pem.Block{Type: pemCertificate, Bytes: c.Raw}) // a Buffer takes all
	}
	return text.Bytes()
}

// ParseChain reads what [EncodeChain] wrote: at least one certificate and
// nothing else.
func ParseChain(text []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for len(bytes.TrimSpace(text)) > 0 {
		block, rest := pem.Decode(text)
		if block == nil || block.Type != pemCertificate {
			return nil, calms.Errorf(calms.KindInvalid, "block %d is no PEM block %q", len(chain)+1, pemCertificate)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, calms.Errorf(calms.KindInvalid, "certificate %d is malformed: %w", len(chain)+1, err)
		}
		chain, text = append(chain, c), rest
	}
	if len(chain) == 0 {
		return nil, calms.Errorf(calms.KindInvalid, "there is no certificate")
	}
	return chain, nil
}

// DER is the raw form of certificates, as messages carry them.
func DER(chain ...*x509.Certificate) [][]byte {
	raw := make([][]byte, len(chain))
	for i, c := range chain {
		raw[i] = c.Raw
	}
	return raw
}

// ParseDER reads what [DER] made: at least one certificate.
func ParseDER(raw [][]byte) ([]*x509.Certificate, error) {
	chain := make([]*x509.Certificate, len(raw))
	for i, der := range raw {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, calms.Errorf(calms.KindInvalid, "certificate %d is malformed: %w", i+1, err)
		}
		chain[i] = c
	}
	if len(chain) == 0 {
		return nil, calms.Errorf(calms.KindInvalid, "there is no certificate")
	}
	return chain, nil
}

// secretFile is the mode of every file here, also of certificates: nobody but
// the program reads them.
const secretFile = 0o600

// WriteKey writes a private key to a PEM file, mode 0600, durably.
func WriteKey(path string, key crypto.Signer) error {
	text, err := EncodeKey(key)
	if err != nil {
		return err
	}
	return calms.Wrap("write key", durable.WriteFile(path, text, secretFile))
}

// ReadKey reads what [WriteKey] wrote.
func ReadKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, calms.Wrap("read key", err)
	}
	key, err := ParseKey(text)
	return key, calms.Wrap("read key "+path, err)
}

// WriteChain writes certificates to a PEM file, mode 0600, durably.
func WriteChain(path string, chain ...*x509.Certificate) error {
	return calms.Wrap("write certificates", durable.WriteFile(path, EncodeChain(chain...), secretFile))
}

// ReadChain reads what [WriteChain] wrote.
func ReadChain(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, calms.Wrap("read certificates", err)
	}
	chain, err := ParseChain(text)
	return chain, calms.Wrap("read certificates "+path, err)
}
