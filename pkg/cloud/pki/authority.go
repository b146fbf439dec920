package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/store"
)

// Kind is what an authority is for.
type Kind string

// The kinds.
const (
	Root     Kind = "root"     // issues the other two
	Devices  Kind = "devices"  // issues to devices: clients only
	Services Kind = "services" // issues to our own services: servers, and clients of each other
)

const (
	rootLife         = 10 * 365 * day
	intermediateLife = 5 * 365 * day
)

// Authority describes one authority.
type Authority struct {
	ID          string // hex SHA-256 of the certificate
	Kind        Kind
	Certificate *x509.Certificate
	Created     time.Time
	Confirmed   time.Time // since when it may issue; zero: pending
}

// Pending reports whether the authority may not issue yet.
func (a Authority) Pending() bool { return a.Confirmed.IsZero() }

// authority is one with its key. The signer is an interface so that the key can
// live in hardware; it is nil for a root.
type authority struct {
	Authority
	signer crypto.Signer
}

// issuer is the newest confirmed authority of a kind.
func (s *Service) issuer(kind Kind) (authority, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := len(s.all) - 1; i >= 0; i-- {
		if a := s.all[i]; a.Kind == kind && !a.Pending() {
			return a, nil
		}
	}
	return authority{}, calms.Errorf(calms.KindUnavailable, "there is no confirmed authority for %s", kind)
}

// chain is the certificates from an authority up to its root, itself included.
func (s *Service) chain(a authority) []*x509.Certificate {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, root := range s.all {
		if root.Kind == Root && a.Certificate.CheckSignatureFrom(root.Certificate) == nil {
			return []*x509.Certificate{a.Certificate, root.Certificate}
		}
	}
	return []*x509.Certificate{a.Certificate}
}

// Authorities lists all there ever were, oldest first.
func (s *Service) Authorities() []Authority {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]Authority, len(s.all))
	for i, a := range s.all {
		list[i] = a.Authority
	}
	return list
}

// RootCertificate is the newest root; tickets name it by its fingerprint.
func (s *Service) RootCertificate() (*x509.Certificate, error) {
	root, err := s.issuer(Root)
	return root.Certificate, err
}

// Pool is all authorities of a kind that there ever were, pending ones too: a
// restored cloud may find pending what was confirmed after the snapshot. With
// Devices as the anchors of a server, no service certificate passes as a
// device's. Do not change the pool; ask again at each handshake, for it is
// replaced when an authority is made.
func (s *Service) Pool(kind Kind) *x509.CertPool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pools[kind]
}

// load reads the authorities from the database, which is the truth.
func (s *Service) load(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	rows, err := s.db.Read().QueryContext(ctx,
		`SELECT id, kind, certificate, private_key, created, COALESCE(confirmed, 0) FROM authorities ORDER BY number`)
	if err != nil {
		return calms.Wrap("load authorities", err)
	}
	defer rows.Close()
	var all []authority
	for rows.Next() {
		a, err := scanAuthority(rows.Scan)
		if err != nil {
			return calms.Wrap("load authorities", err)
		}
		all = append(all, a)
	}
	if err := rows.Err(); err != nil {
		return calms.Wrap("load authorities", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.pools = all, pools(all)
	return nil
}

func pools(all []authority) map[Kind]*x509.CertPool {
	pools := map[Kind]*x509.CertPool{Root: certs.Pool(), Devices: certs.Pool(), Services: certs.Pool()}
	for _, a := range all {
		pools[a.Kind].AddCert(a.Certificate)
	}
	return pools
}

func scanAuthority(scan func(...any) error) (a authority, err error) {
	var certificate, key []byte
	var created, confirmed int64
	if err := scan(&a.ID, &a.Kind, &certificate, &key, &created, &confirmed); err != nil {
		return a, err
	}
	if a.Certificate, err = x509.ParseCertificate(certificate); err != nil {
		return a, err
	}
	a.Created = time.Unix(0, created).UTC()
	if confirmed != 0 {
		a.Confirmed = time.Unix(0, confirmed).UTC()
	}
	if len(key) > 0 {
		a.signer, err = certs.ParseKeyDER(key)
	}
	return a, err
}

// keep writes a new authority; a zero Confirmed is pending.
func keep(ctx context.Context, tx store.Tx, a authority) error {
	var key []byte
	var confirmed *int64
	if a.signer != nil {
		var err error
		if key, err = x509.MarshalPKCS8PrivateKey(a.signer); err != nil {
			return err
		}
	}
	if !a.Pending() {
		at := a.Confirmed.UnixNano()
		confirmed = &at
	}
	_, err := tx.ExecContext(ctx,
		`INSERT INTO authorities (number, id, kind, certificate, private_key, created, confirmed)
		 SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5, $6 FROM authorities`,
		a.ID, a.Kind, a.Certificate.Raw, key, a.Created.UnixNano(), confirmed)
	if err != nil {
		return err
	}
	return store.Record(ctx, tx, "authority.create", a.ID, map[string]any{"kind": a.Kind, "pending": a.Pending(), "notAfter": a.Certificate.NotAfter})
}
