package fleet

import (
	"context"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// Lists hold everything at or below prefix, ordered by path; an empty prefix is
// everything. Delete refuses what is not empty.

// CreateOrg makes an organisation.
func (s *Service) CreateOrg(ctx context.Context, path calms.Path) (api.Org, error) {
	return create(ctx, s, "create organisation", path, orgs, func(tx store.Tx) error {
		return s.insertOrg(ctx, tx, newOrganisationID(), path)
	})
}

// Org returns one organisation.
func (s *Service) Org(ctx context.Context, path calms.Path) (api.Org, error) {
	return orgs.get(ctx, s.db.Read(), path)
}

// Orgs lists organisations.
func (s *Service) Orgs(ctx context.Context, prefix calms.Path) ([]api.Org, error) {
	return orgs.list(ctx, s.db.Read(), prefix)
}

// DeleteOrg deletes an organisation that has no sites.
func (s *Service) DeleteOrg(ctx context.Context, path calms.Path) error {
	return remove(ctx, s, path, orgs, `DELETE FROM organisations WHERE path = $1`, func(tx store.Tx, _ api.Org) error {
		return barren(ctx, tx, path, sites)
	})
}

// CreateSite makes a site of an organisation that exists.
func (s *Service) CreateSite(ctx context.Context, path calms.Path) (api.Site, error) {
	return create(ctx, s, "create site", path, sites, func(tx store.Tx) error {
		org, err := orgs.get(ctx, tx, path.Parent())
		if err != nil {
			return needs(err, "calmsctl org create %s", path.Parent())
		}
		return s.insertSite(ctx, tx, org.ID, path)
	})
}

// Site returns one site.
func (s *Service) Site(ctx context.Context, path calms.Path) (api.Site, error) {
	return sites.get(ctx, s.db.Read(), path)
}

// Sites lists sites.
func (s *Service) Sites(ctx context.Context, prefix calms.Path) ([]api.Site, error) {
	return sites.list(ctx, s.db.Read(), prefix)
}

// DeleteSite deletes a site that has no devices.
func (s *Service) DeleteSite(ctx context.Context, path calms.Path) error {
	return remove(ctx, s, path, sites, `DELETE FROM sites WHERE path = $1`, func(tx store.Tx, _ api.Site) error {
		return barren(ctx, tx, path, devices)
	})
}

// create runs insert in a transaction, if nothing is at path, and returns what
// is there then.
func create[T any](ctx context.Context, s *Service, op string, path calms.Path, t table[T], insert func(store.Tx) error) (made T, err error) {
	err = s.db.Update(ctx, func(tx store.Tx) error {
		if err := t.vacant(ctx, tx, path); err != nil {
			return err
		}
		if err := insert(tx); err != nil {
			return err
		}
		made, err = t.get(ctx, tx, path)
		return err
	})
	return made, calms.Wrap(op, err)
}

// remove deletes what is at path, if allowed agrees, and audits it.
func remove[T any](ctx context.Context, s *Service, path calms.Path, t table[T], statement string, allowed func(store.Tx, T) error) error {
	err := s.db.Update(ctx, func(tx store.Tx) error {
		thing, err := t.get(ctx, tx, path)
		if err != nil {
			return err
		}
		if err := allowed(tx, thing); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, statement, string(path)); err != nil {
			return err
		}
		return store.Record(ctx, tx, t.noun+".delete", string(path), map[string]any{"before": thing})
	})
	return calms.Wrap("delete "+t.level.String(), err)
}

// needs says how to make what is missing above; other errors stay.
func needs(err error, format string, args ...any) error {
	if calms.KindOf(err) != calms.KindNotFound {
		return err
	}
	return calms.Errorf(calms.KindNotFound, "%w", err).WithHint(format, args...)
}

func newOrganisationID() string { return "o-" + calms.RandomName(10) }

func (s *Service) insertOrg(ctx context.Context, tx store.Tx, id string, path calms.Path) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO organisations (id, path, created) VALUES ($1, $2, $3)`, id, string(path), s.now()); err != nil {
		return err
	}
	return store.Record(ctx, tx, "org.create", string(path), map[string]any{"id": id})
}

func (s *Service) insertSite(ctx context.Context, tx store.Tx, org string, path calms.Path) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO sites (path, organisation, created) VALUES ($1, $2, $3)`, string(path), org, s.now()); err != nil {
		return err
	}
	return store.Record(ctx, tx, "site.create", string(path), nil)
}

// now is the time as the database keeps it.
func (s *Service) now() int64 { return s.options.Now().UnixNano() }

// at reads such a time.
func at(n int64) time.Time { return time.Unix(0, n).UTC() }
