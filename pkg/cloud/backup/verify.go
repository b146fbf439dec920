package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// Verify reads a snapshot, by id or "latest", and checks it without any read
// key: every pack's presence, size and hash, the manifest's signature, and the
// chain of all manifests before it. What is wrong is in the answer; an error
// says that it could not be found out.
func (r *Repository) Verify(ctx context.Context, id string, progress Progress) (api.Verification, error) {
	m, err := r.find(ctx, id)
	if err != nil {
		return api.Verification{}, calms.Wrap("verify snapshot", err)
	}
	v := api.Verification{Snapshot: m.Snapshot, Problems: []string{}}
	_, err = r.verify(ctx, m, &v, progress)
	return v, calms.Wrap("verify snapshot "+m.Snapshot, err)
}

// verify returns the packs that are missing or damaged.
func (r *Repository) verify(ctx context.Context, m Manifest, v *api.Verification, progress Progress) (bad []Pack, err error) {
	if err := r.verifyChain(ctx, m, v); err != nil {
		return nil, err
	}
	packs, total := m.packs()
	for _, pack := range packs {
		_, err := getPack(ctx, r.bucket, pack)
		if broken(err) {
			bad = append(bad, pack)
			v.Problems = append(v.Problems, err.Error())
		} else if err != nil {
			return bad, err
		}
		v.Packs++
		v.Bytes += pack.Size
		progress.tell("verify", v.Bytes, total)
	}
	return bad, nil
}

// verifyChain follows the chain from a manifest to the first. A repository that
// lost or exchanged a manifest on the way shows it.
func (r *Repository) verifyChain(ctx context.Context, m Manifest, v *api.Verification) error {
	want := m.Previous
	for number := m.Number - 1; number > 0; number-- {
		before, hash, err := r.manifest(ctx, number)
		if err != nil && !broken(err) {
			return err
		}
		if err != nil {
			v.Problems = append(v.Problems, "an earlier manifest is missing or damaged: "+err.Error())
		} else if want != "" && hash != want {
			v.Problems = append(v.Problems, fmt.Sprintf("%s is not the one that its successor names", manifestName(number)))
		}
		want = before.Previous // empty after a damaged one: nothing to compare with
	}
	if m.Number == 1 && m.Previous != "" {
		v.Problems = append(v.Problems, "the first manifest names one before it")
	}
	return nil
}

// Verify is [Repository.Verify] of our repository. It believes our own signing
// key only, sees manifests that were written and are gone, and has the next
// snapshot store again what it found damaged.
func (s *Service) Verify(ctx context.Context, id string) (api.Verification, error) {
	return s.VerifyWith(ctx, id, nil)
}

// VerifyWith is Verify, and tells how far it is.
func (s *Service) VerifyWith(ctx context.Context, id string, progress Progress) (api.Verification, error) {
	r, _, err := s.repository(ctx)
	if err != nil {
		return api.Verification{}, calms.Wrap("verify snapshot", err)
	}
	m, err := r.find(ctx, id)
	if err != nil {
		return api.Verification{}, calms.Wrap("verify snapshot", err)
	}
	v := api.Verification{Snapshot: m.Snapshot, Problems: []string{}}
	bad, err := r.verify(ctx, m, &v, progress)
	if err == nil {
		err = s.findErased(ctx, r, &v)
	}
	return v, calms.Wrap("verify snapshot "+m.Snapshot, errors.Join(err, s.noteVerified(ctx, v, bad)))
}

// findErased compares the repository with our memory of it.
func (s *Service) findErased(ctx context.Context, r *Repository, v *api.Verification) error {
	numbers, err := r.numbers(ctx)
	if err != nil {
		return err
	}
	rows, err := snapshots(ctx, s.db.Read(), `state = 'done'`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if !slices.Contains(numbers, row.number) {
			v.Problems = append(v.Problems, fmt.Sprintf("snapshot %s is gone: %s was written and is not there", row.id, manifestName(row.number)))
		}
	}
	return nil
}

// noteVerified also forgets packs that proved bad, so that nothing builds on
// them again.
func (s *Service) noteVerified(ctx context.Context, v api.Verification, bad []Pack) error {
	return s.db.Update(ctx, func(tx store.Tx) error {
		for _, pack := range bad {
			if _, err := tx.ExecContext(ctx, `DELETE FROM packs WHERE name = $1`, pack.Name); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `UPDATE snapshots SET verified = $1, problems = $2 WHERE id = $3`,
			time.Now().UnixNano(), len(v.Problems), v.Snapshot)
		return err
	})
}
