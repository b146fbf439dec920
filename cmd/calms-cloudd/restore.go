package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/backup"
	"go.calms.com/calms/pkg/cloud/fleet"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/cloud/identity"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/cloud/pki"
	"go.calms.com/calms/pkg/durable"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
)

// restore brings a snapshot back beside the data directory's places, makes true
// there what happened after it, and moves it in.
func (r *recovery) restore(ctx context.Context, snapshot string, identity age.Identity) (*api.RestoreReport, error) {
	scratch := r.place.path(restoringName)
	if err := emptyDir(scratch); err != nil {
		return nil, calms.Wrap("restore", err)
	}
	started := time.Now()
	restored, err := r.fill(ctx, scratch, snapshot, identity)
	if err != nil {
		return nil, err
	}
	r.progress("apply facts", restored.Bytes, restored.Bytes)
	epoch, err := renew(ctx, scratch, restored.Facts)
	if err != nil {
		return nil, err
	}
	if err := r.settle(scratch, restored.BadFacts); err != nil {
		return nil, err
	}
	return &api.RestoreReport{
		Snapshot:     restored.Snapshot,
		SnapshotTime: restored.SnapshotTime,
		Restored:     time.Now().UTC(),
		Duration:     time.Since(started).Seconds(),
		Rows:         restored.Rows,
		Bytes:        restored.Bytes,
		Facts:        younger(restored.Facts, restored.SnapshotTime),
		Epoch:        epoch.String(),
	}, nil
}

// schemas are the databases of the services, by name.
func schemas() map[string]fs.FS {
	return map[string]fs.FS{
		historyName:  history.Migrations(),
		ingestName:   ingest.Migrations(),
		fleetName:    fleet.Migrations(),
		pkiName:      pki.Migrations(),
		identityName: identity.Migrations(),
		backupName:   backup.Migrations(),
	}
}

// fill restores into new databases in dir, which no service has opened yet: a
// service would put its first keys into an empty one.
func (r *recovery) fill(ctx context.Context, dir, snapshot string, identity age.Identity) (report backup.Report, err error) {
	open := map[string]*store.DB{}
	defer func() {
		for _, db := range open {
			err = errors.Join(err, db.Close())
		}
	}()
	for name, migrations := range schemas() {
		if open[name], err = store.Open(ctx, filepath.Join(dir, name+".db"), migrations); err != nil {
			delete(open, name)
			return report, err
		}
	}
	all := append(sources(open[historyName], open[ingestName], open[fleetName], open[pkiName], open[identityName], filepath.Join(dir, pki.RootKeyName),
		addressFile{path: filepath.Join(dir, addressesFile)}),
		backup.Database(backupName, open[backupName], nil))
	report, err = backup.Restore(ctx, r.bucket, snapshot, identity, all, r.progress)
	if err == nil && len(report.Absent) > 0 {
		err = calms.Errorf(calms.KindInvalid, "snapshot %s holds nothing of %s", report.Snapshot, strings.Join(report.Absent, ", "))
	}
	return report, err
}

// renew makes true in the restored databases what must not come back to life,
// and begins a new epoch, before anybody can connect.
func renew(ctx context.Context, dir string, known []facts.Fact) (epoch calms.Epoch, err error) {
	authority, err := pki.Open(ctx, dir, pki.Options{})
	if err != nil {
		return epoch, err
	}
	defer func() { err = errors.Join(err, authority.Close()) }()
	devices, err := fleet.Open(ctx, dir, fleet.Options{Issuer: authority})
	if err != nil {
		return epoch, err
	}
	defer func() { err = errors.Join(err, devices.Close()) }()
	for _, f := range known {
		if err := errors.Join(authority.ApplyFact(ctx, f), devices.ApplyFact(ctx, f)); err != nil {
			return epoch, err
		}
	}
	samples, err := history.Open(ctx, filepath.Join(dir, historyName+".db"))
	if err != nil {
		return epoch, err
	}
	defer func() { err = errors.Join(err, samples.Close()) }()
	if err := samples.CoverAll(ctx); err != nil {
		return epoch, err
	}
	return samples.NewEpoch(ctx)
}

// settle moves everything from scratch to where the daemon looks for it. The
// marker stands until all of it has arrived: whoever finds it starts over.
func (r *recovery) settle(scratch string, badFacts []string) error {
	if len(badFacts) > 0 {
		text := strings.Join(badFacts, "\n") + "\n"
		if err := durable.WriteFile(r.place.path(incompleteName), []byte(text), 0o600); err != nil {
			return calms.Wrap("note unreadable facts", err)
		}
	}
	entries, err := os.ReadDir(scratch)
	if err != nil {
		return calms.Wrap("move restored data", err)
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(scratch, e.Name()), r.place.path(e.Name())); err != nil {
			return calms.Wrap("move restored data", err)
		}
	}
	return calms.Wrap("end restore", r.place.restored())
}

// younger counts the facts that the snapshot cannot have held.
func younger(known []facts.Fact, snapshot time.Time) (n int) {
	for _, f := range known {
		if f.At.After(snapshot) {
			n++
		}
	}
	return n
}
