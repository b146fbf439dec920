// Package pki is the certificate authority: it issues device and service
// certificates, renews them, revokes devices, and keeps a log of all of it.
//
// One root stands above one intermediate per kind. The root's key is a file that
// running never needs; [Service.TakeRoot] takes it off the machine. Authorities
// are never deleted: what one of them ever signed stays verifiable.
package pki

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
)

// Options are the service's settings. The zero value of each is its default.
type Options struct {
	Algorithm   certs.Algorithm  // of authorities' and services' keys: RSA-2048
	DeviceLife  time.Duration    // of a device certificate: 24 h
	ServiceLife time.Duration    // of a service certificate: 24 h
	Grace       time.Duration    // for how long past expiry renewal is open: 400 days
	Facts       facts.Log        // where revocations go: nowhere, they wait
	Now         func() time.Time // time.Now

	// PastExpiry is asked before an expired certificate is renewed; an error
	// refuses it. After a restore it stays shut until every revocation is known.
	PastExpiry func(context.Context) error
	// OnRevoke is called as soon as a revocation is in force and before it
	// leaves the machine, which may take long: cut the device's connections.
	OnRevoke func(calms.DeviceID)
}

const day = 24 * time.Hour

func (o Options) withDefaults() Options {
	if o.DeviceLife == 0 {
		o.DeviceLife = day
	}
	if o.ServiceLife == 0 {
		o.ServiceLife = day
	}
	if o.Grace == 0 {
		o.Grace = 400 * day
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PastExpiry == nil {
		o.PastExpiry = func(context.Context) error { return nil }
	}
	if o.OnRevoke == nil {
		o.OnRevoke = func(calms.DeviceID) {}
	}
	return o
}

// Service is the certificate authority. All methods are safe for concurrent use.
type Service struct {
	dir     string
	db      *store.DB
	options Options
	teller  *facts.Teller
	rootKey sync.Mutex // held by whoever reads or removes the root's key file
	loading sync.Mutex // held from reading the authorities until all is replaced
	renewal sync.Mutex // held from counting a device's renewals until one is kept

	mu      sync.RWMutex
	all     []authority                 // guarded by mu; in the order of making
	pools   map[Kind]*x509.CertPool     // guarded by mu; replaced, never changed
	revoked map[calms.DeviceID]struct{} // guarded by mu; a copy of the table
}

// Open opens the service in dir, which is made (0700) where there is none. The
// first start makes the authorities: the root's key goes to the file root.key
// in dir, the others into the database.
func Open(ctx context.Context, dir string, options Options) (*Service, error) {
	s := &Service{dir: dir, options: options.withDefaults()}
	if err := s.open(ctx); err != nil {
		return nil, calms.Wrap("open pki", err)
	}
	return s, nil
}

func (s *Service) open(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	var err error
	if s.db, err = store.Open(ctx, filepath.Join(s.dir, "pki.db"), Migrations()); err != nil {
		return err
	}
	s.teller = facts.NewTeller(s.db, s.options.Facts)
	if err := errors.Join(s.found(ctx), s.load(ctx), s.loadRevoked(ctx)); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// DB is the service's database, for backup.
func (s *Service) DB() *store.DB { return s.db }

// Close closes the database.
func (s *Service) Close() error { return s.db.Close() }
