package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/store"
)

// IssueDevice issues a certificate to a device for the key of a certificate
// request (DER, see [certs.ParseRequest]), and returns it with its chain (DER,
// leaf first, root last). Whoever calls has made sure that the request comes
// from that device. A revoked device gets none ([calms.KindForbidden]).
func (s *Service) IssueDevice(ctx context.Context, id calms.DeviceID, request []byte) ([][]byte, error) {
	chain, err := s.issueDevice(ctx, id, request, "certificate.issue", nil)
	return chain, calms.Wrap("issue device certificate", err)
}

func (s *Service) issueDevice(ctx context.Context, id calms.DeviceID, request []byte, action string, detail map[string]any) ([][]byte, error) {
	if s.Revoked(id) {
		return nil, revokedError(id)
	}
	public, err := certs.ParseRequest(request)
	if err != nil {
		return nil, err
	}
	by, err := s.issuer(Devices)
	if err != nil {
		return nil, err
	}
	ca := certs.Authority{Certificate: by.Certificate, Signer: by.signer}
	leaf, err := ca.IssueDevice(public, id, s.options.Now(), s.options.DeviceLife)
	if err != nil {
		return nil, err
	}
	if err := s.keepIssued(ctx, leaf, by.ID, string(id), action, detail); err != nil {
		return nil, err
	}
	return certs.DER(append([]*x509.Certificate{leaf}, s.chain(by)...)...), nil
}

// IssueService issues a certificate to one of our own services, as a server
// under hosts (DNS names and IP addresses), for the key of a request. The chain
// is DER, leaf first, root last: servers send the root too, for edges that know
// only its fingerprint.
func (s *Service) IssueService(ctx context.Context, name string, hosts []string, request []byte) ([][]byte, error) {
	chain, err := s.issueService(ctx, name, hosts, request)
	return chain, calms.Wrap("issue service certificate", err)
}

func (s *Service) issueService(ctx context.Context, name string, hosts []string, request []byte) ([][]byte, error) {
	public, err := certs.ParseRequest(request)
	if err != nil {
		return nil, err
	}
	by, err := s.issuer(Services)
	if err != nil {
		return nil, err
	}
	ca := certs.Authority{Certificate: by.Certificate, Signer: by.signer}
	leaf, err := ca.IssueService(public, name, hosts, s.options.Now(), s.options.ServiceLife)
	if err != nil {
		return nil, err
	}
	if err := s.keepIssued(ctx, leaf, by.ID, name, "certificate.issue", map[string]any{"hosts": hosts}); err != nil {
		return nil, err
	}
	return certs.DER(append([]*x509.Certificate{leaf}, s.chain(by)...)...), nil
}

// ServiceCertificate makes a key and gets a certificate for it: what a
// [certs.Renewer] of a service in this process calls.
func (s *Service) ServiceCertificate(ctx context.Context, name string, hosts []string) (*tls.Certificate, error) {
	key, err := certs.NewKey(s.options.Algorithm)
	if err != nil {
		return nil, err
	}
	request, err := certs.NewRequest(key, name)
	if err != nil {
		return nil, err
	}
	chain, err := s.IssueService(ctx, name, hosts, request)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key}, nil
}

// keepIssued writes a certificate to the log. The earlier ones of its subject
// are superseded, which is for people to see: a reply may get lost, so the older
// certificate stays as good as it was.
func (s *Service) keepIssued(ctx context.Context, leaf *x509.Certificate, authority, subject, action string, detail map[string]any) error {
	key, err := certs.KeyFingerprint(leaf.PublicKey)
	if err != nil {
		return err
	}
	now := s.options.Now().UnixNano()
	return s.db.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE certificates SET superseded = $1 WHERE subject = $2 AND superseded IS NULL`, now, subject); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx,
			`INSERT INTO certificates (serial, authority, subject, key_fingerprint, issued, not_after) VALUES ($1, $2, $3, $4, $5, $6)`,
			serial(leaf), authority, subject, key.String(), now, leaf.NotAfter.UnixNano())
		if err != nil {
			return err
		}
		entry := map[string]any{"serial": serial(leaf), "notAfter": leaf.NotAfter, "key": key.String()}
		for name, value := range detail {
			entry[name] = value
		}
		return store.Record(ctx, tx, action, subject, entry)
	})
}

func serial(c *x509.Certificate) string { return c.SerialNumber.Text(16) }

// Issued is one certificate of the log.
type Issued struct {
	Serial         string // hex
	Subject        string // device id, or name of the service
	KeyFingerprint string // hex SHA-256 of the public key
	At             time.Time
	NotAfter       time.Time
	Superseded     bool // a newer one was issued to the subject
	Unknown        bool // not remembered, but shown to us with our signature
}

// ValidUntil is the end of the newest certificate of a device, the zero time
// where it has none or is revoked.
func (s *Service) ValidUntil(ctx context.Context, id calms.DeviceID) (time.Time, error) {
	if s.Revoked(id) {
		return time.Time{}, nil
	}
	var end int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT COALESCE(MAX(not_after), 0) FROM certificates WHERE subject = $1`, string(id)).Scan(&end)
	if err != nil || end == 0 {
		return time.Time{}, calms.Wrap("look up certificates", err)
	}
	return time.Unix(0, end).UTC(), nil
}

// IssuedTo lists the certificates of a device or service, newest first.
func (s *Service) IssuedTo(ctx context.Context, subject string) ([]Issued, error) {
	rows, err := s.db.Read().QueryContext(ctx,
		`SELECT serial, subject, key_fingerprint, issued, not_after, superseded IS NOT NULL, unknown IS NOT NULL
		 FROM certificates WHERE subject = $1 ORDER BY issued DESC, serial`, subject)
	if err != nil {
		return nil, calms.Wrap("list certificates", err)
	}
	defer rows.Close()
	var list []Issued
	for rows.Next() {
		var c Issued
		var at, notAfter int64
		if err := rows.Scan(&c.Serial, &c.Subject, &c.KeyFingerprint, &at, &notAfter, &c.Superseded, &c.Unknown); err != nil {
			return nil, calms.Wrap("list certificates", err)
		}
		c.At, c.NotAfter = time.Unix(0, at).UTC(), time.Unix(0, notAfter).UTC()
		list = append(list, c)
	}
	return list, calms.Wrap("list certificates", rows.Err())
}
