package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"strconv"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// signingKeys sign registrations: the newest signs, all of them verify.
type signingKeys []ed25519.PrivateKey

// Sign signs the canonical bytes of a registration (Ed25519).
func (s *Service) Sign(b []byte) []byte {
	return ed25519.Sign(s.keys[len(s.keys)-1], b)
}

// Verify reports whether sig is this cloud's over b, by the present key or an
// earlier one.
func (s *Service) Verify(b, sig []byte) bool {
	for _, key := range s.keys {
		if ed25519.Verify(key.Public().(ed25519.PublicKey), b, sig) {
			return true
		}
	}
	return false
}

// loadSigningKeys reads the keys and draws the first. They are in the database
// and so in every snapshot: a restored cloud knows its own signatures.
func loadSigningKeys(ctx context.Context, db *store.DB, now time.Time) (signingKeys, error) {
	keys, err := readSigningKeys(ctx, db.Read())
	if err != nil || len(keys) > 0 {
		return keys, calms.Wrap("load signing keys", err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, calms.Wrap("make signing key", err)
	}
	return signingKeys{key}, calms.Wrap("make signing key", db.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO signing_keys (number, seed, created) VALUES ($1, $2, $3)`, 1, key.Seed(), now.UnixNano()); err != nil {
			return err
		}
		return store.Record(ctx, tx, "signing-key.create", "1", nil)
	}))
}

func readSigningKeys(ctx context.Context, tx store.Tx) (signingKeys, error) {
	rows, err := tx.QueryContext(ctx, `SELECT seed FROM signing_keys ORDER BY number`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys signingKeys
	for rows.Next() {
		var seed []byte
		if err := rows.Scan(&seed); err != nil {
			return nil, err
		}
		if len(seed) != ed25519.SeedSize {
			return nil, calms.Errorf(calms.KindInternal, "signing key %d has %d bytes, not %d", len(keys)+1, len(seed), ed25519.SeedSize)
		}
		keys = append(keys, ed25519.NewKeyFromSeed(seed))
	}
	return keys, rows.Err()
}

// Adopt takes in a device by its registration, whose signature the caller has
// verified: organisation, site and device come back as they were when it was
// issued. One that is known changes nothing. Where another device has the path
// now, it becomes path-2, path-3 …, audited. Revoked and deleted identities are
// refused ([calms.KindForbidden]).
func (s *Service) Adopt(ctx context.Context, id calms.DeviceID, org string, path calms.Path, shard uint32, issued time.Time) (api.Device, error) {
	device, err := s.adopt(ctx, registration{id, org, path, shard, issued})
	return s.withState(device), calms.Wrap("adopt device", err)
}

type registration struct {
	id     calms.DeviceID
	org    string // id
	path   calms.Path
	shard  uint32
	issued time.Time
}

func (r registration) check() error {
	if _, err := calms.ParseDeviceID(string(r.id)); err != nil {
		return err
	}
	if _, err := calms.ParsePathAt(string(r.path), calms.LevelDevice); err != nil {
		return err
	}
	if r.org == "" || r.shard >= shards {
		return calms.Errorf(calms.KindInvalid, "the registration of %s names no organisation or shard %d", r.id, r.shard)
	}
	return nil
}

func (s *Service) adopt(ctx context.Context, r registration) (api.Device, error) {
	if s.options.Issuer.Revoked(r.id) {
		return api.Device{}, calms.Errorf(calms.KindForbidden, "the device %s is revoked", r.id)
	}
	// The ordinary case, at every hello: known, nothing to write.
	if known, err := deviceByID(ctx, s.db.Read(), r.id); err == nil && known.Enrolled != nil {
		return known, nil
	}
	if err := r.check(); err != nil {
		return api.Device{}, err
	}
	var device api.Device
	err := s.db.Update(ctx, func(tx store.Tx) (err error) {
		if err := s.resurrect(ctx, tx, r); err != nil {
			return err
		}
		device, err = deviceByID(ctx, tx, r.id)
		return err
	})
	return device, err
}

// resurrect makes the device of a registration, or enrols the one that a
// snapshot knew as provisioned only.
func (s *Service) resurrect(ctx context.Context, tx store.Tx, r registration) error {
	var deleted, known int
	err := tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM tombstones WHERE id = $1), (SELECT COUNT(*) FROM devices WHERE id = $1)`, string(r.id)).Scan(&deleted, &known)
	if err != nil {
		return err
	}
	if deleted > 0 {
		return calms.Errorf(calms.KindForbidden, "the device %s was deleted", r.id)
	}
	path := r.path
	if known > 0 {
		_, err = tx.ExecContext(ctx, `UPDATE devices SET enrolled = $1 WHERE id = $2 AND enrolled IS NULL`, r.issued.UnixNano(), string(r.id))
	} else {
		path, err = s.replant(ctx, tx, r)
	}
	if err != nil {
		return err
	}
	return store.Record(ctx, tx, "device.adopt", string(path), map[string]any{"id": r.id, "registered": r.path, "issued": r.issued, "forgotten": known == 0})
}

// replant makes the device and what is missing above it.
func (s *Service) replant(ctx context.Context, tx store.Tx, r registration) (calms.Path, error) {
	org, err := s.ensureOrg(ctx, tx, r.org, r.path.At(calms.LevelOrganisation))
	if err != nil {
		return "", err
	}
	site := org.Child(r.path.Parent().Base())
	if known, err := sites.exists(ctx, tx, site); err != nil {
		return "", err
	} else if !known {
		if err := s.insertSite(ctx, tx, r.org, site); err != nil {
			return "", err
		}
	}
	path, err := free(ctx, tx, devices, site.Child(r.path.Base()))
	if err != nil {
		return "", err
	}
	enrolled := r.issued.UnixNano()
	return path, s.insertDevice(ctx, tx, r.id, path, r.shard, &enrolled)
}

// ensureOrg is the path of the organisation with an id, made where there is
// none. One that only has the same name is somebody else's.
func (s *Service) ensureOrg(ctx context.Context, tx store.Tx, id string, path calms.Path) (calms.Path, error) {
	known, err := orgs.all(ctx, tx, ` WHERE id = $1`, id)
	if err != nil {
		return "", err
	}
	if len(known) > 0 {
		return calms.Path(known[0].Path), nil
	}
	if path, err = free(ctx, tx, orgs, path); err != nil {
		return "", err
	}
	return path, s.insertOrg(ctx, tx, id, path)
}

// namesakes bounds the search for a free path.
const namesakes = 1000

// free is path, or path-2, path-3 … where it is taken.
func free[T any](ctx context.Context, tx store.Tx, t table[T], path calms.Path) (calms.Path, error) {
	candidate := path
	for n := 2; n < namesakes; n++ {
		if taken, err := t.exists(ctx, tx, candidate); err != nil || !taken {
			return candidate, err
		}
		suffix := "-" + strconv.Itoa(n)
		base := path.Base()
		candidate = path.Parent().Child(base[:min(len(base), calms.MaxSegment-len(suffix))] + suffix)
	}
	return "", calms.Errorf(calms.KindConflict, "%q and %d names beside it are taken", path, namesakes)
}
