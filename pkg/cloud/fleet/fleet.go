// Package fleet knows what there is: organisations, their sites, the devices on
// them and the channels that these measure. It provisions devices with one-time
// tickets, enrols them, and signs the registrations by which a restored cloud
// adopts devices that it has forgotten.
package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
)

// Issuer is what fleet needs of the certificate authority.
type Issuer interface {
	// IssueDevice issues a certificate to a device for the key of a request
	// (PKCS #10, DER) and returns it with its chain, DER, leaf first.
	IssueDevice(ctx context.Context, id calms.DeviceID, request []byte) ([][]byte, error)
	// Revoked reports whether a device is revoked. It is asked for every device
	// of a list.
	Revoked(id calms.DeviceID) bool
}

// Options are the service's settings. Issuer, CA and URL are required.
type Options struct {
	Issuer Issuer
	CA     certs.Fingerprint // of the root certificate, for tickets
	URL    string            // base URL of the HTTPS API, for tickets
	Facts  facts.Log         // where burnt tickets go: nowhere, they wait
	Now    func() time.Time  // time.Now

	// Raise puts an alarm on the board: a ticket was shown with a second key.
	Raise func(kind, subject, severity, text, hint string)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Raise == nil {
		o.Raise = func(_, _, _, _, _ string) {}
	}
	return o
}

// Service is the fleet. All methods are safe for concurrent use. Paths are
// checked here, whoever calls. Errors: [calms.KindInvalid] for a malformed path,
// [calms.KindNotFound] and [calms.KindConflict] as in package calms.
type Service struct {
	db      *store.DB
	options Options
	teller  *facts.Teller
	keys    signingKeys
}

// Open opens the service's database in dir, which is made (0700) where there is
// none. The first start draws the key that signs registrations.
func Open(ctx context.Context, dir string, options Options) (*Service, error) {
	s := &Service{options: options.withDefaults()}
	if err := s.open(ctx, dir); err != nil {
		return nil, calms.Wrap("open fleet", err)
	}
	return s, nil
}

func (s *Service) open(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var err error
	if s.db, err = store.Open(ctx, filepath.Join(dir, "fleet.db"), Migrations()); err != nil {
		return err
	}
	s.teller = facts.NewTeller(s.db, s.options.Facts)
	if s.keys, err = loadSigningKeys(ctx, s.db, s.options.Now()); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// DB is the service's database, for backup.
func (s *Service) DB() *store.DB { return s.db }

// Close closes the database.
func (s *Service) Close() error { return s.db.Close() }

// Flush completes facts that the log outside does not have yet; nil means that
// it has all. Call it now and then.
func (s *Service) Flush(ctx context.Context) error { return s.teller.Flush(ctx) }
