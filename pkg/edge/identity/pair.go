package identity

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"slices"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/durable"
)

// newPair puts a key and its chain together.
func newPair(key crypto.Signer, chain []*x509.Certificate) (*tls.Certificate, error) {
	if !certs.SameKey(key.Public(), chain[0].PublicKey) {
		return nil, calms.Errorf(calms.KindInvalid, "the certificate is for another key")
	}
	return &tls.Certificate{Certificate: certs.DER(chain...), PrivateKey: key, Leaf: chain[0]}, nil
}

// writePair writes a key and its chain as one file.
func writePair(path string, pair *tls.Certificate) error {
	chain, err := certs.ParseDER(pair.Certificate)
	if err != nil {
		return err
	}
	key, err := certs.EncodeKey(pair.PrivateKey.(crypto.Signer))
	if err != nil {
		return err
	}
	return durable.WriteFile(path, slices.Concat(key, certs.EncodeChain(chain...)), 0o600)
}

// readPair reads what [writePair] wrote.
func readPair(path string) (*tls.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, calms.Errorf(calms.KindInvalid, "%s holds no key", path)
	}
	key, err := certs.ParseKey(bytes.TrimSuffix(text, rest))
	if err != nil {
		return nil, calms.Wrap(path, err)
	}
	chain, err := certs.ParseChain(rest)
	if err != nil {
		return nil, calms.Wrap(path, err)
	}
	pair, err := newPair(key, chain)
	return pair, calms.Wrap(path, err)
}
