package pki

import (
	"context"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// Rotate makes a new authority of a kind (Devices or Services) below the root
// whose key lies in the file rootKey; an empty name is where the first start put
// it. The new one is pending: it issues nothing until [Service.Confirm].
func (s *Service) Rotate(ctx context.Context, kind Kind, rootKey string) (Authority, error) {
	a, err := s.rotate(ctx, kind, rootKey)
	return a.Authority, calms.Wrap("rotate authority", err)
}

func (s *Service) rotate(ctx context.Context, kind Kind, rootKey string) (authority, error) {
	if kind != Devices && kind != Services {
		return authority{}, calms.Errorf(calms.KindInvalid, "authorities of kind %q cannot be rotated: use %s or %s", kind, Devices, Services)
	}
	s.rootKey.Lock()
	defer s.rootKey.Unlock()
	if rootKey == "" {
		rootKey = s.rootKeyPath()
	}
	root, err := s.readRootKey(rootKey)
	if err != nil {
		return authority{}, err
	}
	a, err := s.intermediate(root, kind)
	if err != nil {
		return authority{}, err
	}
	if err := s.db.Update(ctx, func(tx store.Tx) error { return keep(ctx, tx, a) }); err != nil {
		return authority{}, err
	}
	return a, s.load(ctx)
}

// Confirm lets pending authorities issue. Backup calls it when a repository
// holds their keys, never before: what a lost authority signed could not be
// verified by the restored cloud. Confirming again changes nothing.
func (s *Service) Confirm(ctx context.Context, ids ...string) error {
	err := s.db.Update(ctx, func(tx store.Tx) error {
		for _, id := range ids {
			if err := confirm(ctx, tx, id, s.options.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return calms.Wrap("confirm authority", err)
	}
	return s.load(ctx)
}

func confirm(ctx context.Context, tx store.Tx, id string, now time.Time) error {
	var known, pending int
	err := tx.QueryRowContext(ctx,
		`SELECT COUNT(*), COUNT(*) - COUNT(confirmed) FROM authorities WHERE id = $1`, id).Scan(&known, &pending)
	if err != nil {
		return err
	}
	if known == 0 {
		return calms.Errorf(calms.KindNotFound, "there is no authority %.64q", id)
	}
	if pending == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE authorities SET confirmed = $1 WHERE id = $2`, now.UnixNano(), id); err != nil {
		return err
	}
	return store.Record(ctx, tx, "authority.confirm", id, nil)
}
