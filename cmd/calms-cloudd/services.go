package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/cloud/alarm"
	"go.calms.com/calms/pkg/cloud/backup"
	"go.calms.com/calms/pkg/cloud/broker"
	"go.calms.com/calms/pkg/cloud/fleet"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/cloud/identity"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/cloud/pki"
)

// cloud is the services of one data directory, wired to each other.
type cloud struct {
	config  config
	log     *slog.Logger
	place   *place
	doors   *doors
	started time.Time
	restore *api.RestoreReport // of this start; nil where nothing was restored

	elsewhere string // where others look for the cloud since before a restore, and it does not answer

	board    *alarm.Board
	identity *identity.Service
	backup   *backup.Service
	pki      *pki.Service
	fleet    *fleet.Service
	history  *history.History
	ingest   *ingest.Ingest
	broker   *broker.Broker

	certificates struct{ api, broker *certs.Renewer }
	ready        *readiness
	cut          *cutter
	lookNow      chan struct{}             // wakes the watch
	snapshot     atomic.Pointer[time.Time] // of the newest complete one, as the watch saw it
	newOperator  bool                      // the first operator was made at this start
}

// openCloud opens all services in the order in which they need each other.
func openCloud(ctx context.Context, c *cloud) error {
	c.started = time.Now().UTC()
	c.board = alarm.NewBoard(c.log)
	c.ready = newReadiness()
	c.cut = &cutter{}
	c.lookNow = make(chan struct{}, 1)
	for _, open := range []func(context.Context) error{
		c.openIdentity, c.openBackup, c.openPKI, c.openFleet, c.openHistory, c.openIngest, c.openBroker, c.makeOperator,
	} {
		if err := open(ctx); err != nil {
			return errors.Join(err, c.close())
		}
	}
	return nil
}

func (c *cloud) openIdentity(ctx context.Context) (err error) {
	c.identity, err = identity.Open(ctx, c.place.dir)
	return err
}

func (c *cloud) openBackup(ctx context.Context) (err error) {
	c.backup, err = backup.Open(ctx, c.place.dir, backup.Options{
		DataDir: c.place.dir,
		Every:   c.config.Backup.Interval,
		Covered: c.covered,
		Log:     c.log.With("service", "backup"),
	})
	return err
}

func (c *cloud) openPKI(ctx context.Context) (err error) {
	c.pki, err = pki.Open(ctx, c.place.dir, pki.Options{
		DeviceLife:  c.config.Certificates.Device,
		ServiceLife: c.config.Certificates.Service,
		Grace:       c.config.Certificates.Grace,
		Facts:       c.backup.Facts(),
		PastExpiry:  c.pastExpiry,
		OnRevoke:    func(id calms.DeviceID) { c.cut.disconnect(c.broker, id) },
	})
	if err != nil {
		return err
	}
	if c.certificates.api, err = c.newRenewer(ctx, "api"); err != nil {
		return err
	}
	c.certificates.broker, err = c.newRenewer(ctx, "broker")
	return err
}

func (c *cloud) openFleet(ctx context.Context) error {
	root, err := c.pki.RootCertificate()
	if err != nil {
		return err
	}
	c.fleet, err = fleet.Open(ctx, c.place.dir, fleet.Options{
		Issuer: c.pki,
		CA:     certs.FingerprintOf(root),
		URL:    c.doors.apiURL(c.config),
		Facts:  c.backup.Facts(),
		Raise:  c.raiseAtPath,
	})
	return err
}

func (c *cloud) openHistory(ctx context.Context) (err error) {
	c.history, err = history.Open(ctx, c.place.path("history.db"))
	return err
}

func (c *cloud) openIngest(ctx context.Context) (err error) {
	c.ingest, err = ingest.Open(ctx, c.place.path("ingest.db"), ingest.Config{
		History: c.history,
		Devices: devices{c.pki, c.fleet},
		Link:    downlink{c},
		Alarms:  lossAlarms{c.board},
		Log:     c.log.With("service", "ingest"),
	})
	if err != nil {
		return err
	}
	if c.restore != nil {
		c.ingest.BeginReplay()
	}
	c.backup.Protect(sources(c.history.DB(), c.ingest.DB(), c.fleet.DB(), c.pki.DB(), c.identity.DB(), c.place.path(pki.RootKeyName),
		addressFile{c.place.path(addressesFile), tellable(c.config, c.doors)})...)
	return nil
}

func (c *cloud) openBroker(context.Context) (err error) {
	c.broker, err = broker.New(broker.Config{
		GetCertificate: c.certificates.broker.GetCertificate,
		ClientCAs:      c.deviceAuthorities,
		Authorizer:     authorizer{c.pki, c.fleet},
		Handler:        c.ingest,
		Log:            c.log.With("service", "broker"),
	})
	return err
}

// close closes what is open, in reverse order.
func (c *cloud) close() error {
	var errs []error
	for _, s := range []struct {
		name  string
		open  bool
		close func() error
	}{
		{"backup", c.backup != nil, func() error { return c.backup.Close() }}, // first: it reads all others
		{"ingest", c.ingest != nil, func() error { return c.ingest.Close() }},
		{"history", c.history != nil, func() error { return c.history.Close() }},
		{"fleet", c.fleet != nil, func() error { return c.fleet.Close() }},
		{"pki", c.pki != nil, func() error { return c.pki.Close() }},
		{"identity", c.identity != nil, func() error { return c.identity.Close() }},
	} {
		if !s.open {
			continue
		}
		if err := s.close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}
