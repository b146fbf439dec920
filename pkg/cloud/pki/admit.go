package pki

import (
	"context"
	"crypto/x509"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/store"
)

// Verify tells which device a chain (leaf first) belongs to. The leaf must be a
// device certificate of any authority there ever was, whatever its age, and the
// device must not be revoked: what seals of old journals are checked by.
// Errors: [calms.KindUnauthenticated]; [calms.KindForbidden] when revoked.
func (s *Service) Verify(chain []*x509.Certificate) (calms.DeviceID, error) {
	if err := certs.VerifyIgnoringExpiry(chain, s.Pool(Devices), x509.ExtKeyUsageClientAuth); err != nil {
		return "", err
	}
	id, err := certs.DeviceOf(chain[0])
	if err != nil {
		return "", err
	}
	if s.Revoked(id) {
		return "", revokedError(id)
	}
	return id, nil
}

// Admit is [Service.Verify] for the hook of a handshake, which itself has checked
// the certificate's time: it remembers a certificate that we signed and have
// forgotten, as a restored cloud has, and flags it once.
func (s *Service) Admit(ctx context.Context, chain []*x509.Certificate) (calms.DeviceID, error) {
	id, err := s.Verify(chain)
	if err != nil {
		return "", err
	}
	return id, s.remember(ctx, id, chain[0])
}

// remember writes a certificate that the log does not have.
func (s *Service) remember(ctx context.Context, id calms.DeviceID, leaf *x509.Certificate) error {
	known := func(tx store.Tx) (n int, err error) {
		err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM certificates WHERE serial = $1`, serial(leaf)).Scan(&n)
		return n, err
	}
	if n, err := known(s.db.Read()); err != nil || n > 0 {
		return calms.Wrap("look up certificate", err)
	}
	return calms.Wrap("remember certificate", s.db.Update(ctx, func(tx store.Tx) error {
		if n, err := known(tx); err != nil || n > 0 {
			return err // another handshake was first
		}
		return s.insertUnknown(ctx, tx, id, leaf)
	}))
}

func (s *Service) insertUnknown(ctx context.Context, tx store.Tx, id calms.DeviceID, leaf *x509.Certificate) error {
	key, err := certs.KeyFingerprint(leaf.PublicKey)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx,
		`INSERT INTO certificates (serial, authority, subject, key_fingerprint, issued, not_after, unknown) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		serial(leaf), s.signerOf(leaf), string(id), key.String(), certs.IssuedAt(leaf).UnixNano(), leaf.NotAfter.UnixNano(), s.options.Now().UnixNano())
	if err != nil {
		return err
	}
	return store.Record(ctx, tx, "certificate.unknown", string(id), map[string]any{"serial": serial(leaf), "notAfter": leaf.NotAfter, "key": key.String()})
}

// signerOf is the id of the authority that signed a verified leaf.
func (s *Service) signerOf(leaf *x509.Certificate) string {
	for _, a := range s.Authorities() {
		if a.Kind == Devices && leaf.CheckSignatureFrom(a.Certificate) == nil {
			return a.ID
		}
	}
	return ""
}
