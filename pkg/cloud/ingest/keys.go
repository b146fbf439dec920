package ingest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// keyBits is the size of ingest keys; opening one session takes one private
// operation, an hour's batches of a device share it.
const keyBits = 2048

// Key describes an ingest key.
type Key struct {
	ID      string
	Public  []byte // PKIX DER
	Created time.Time
	Active  time.Time // since when edges are told of it; zero while no repository holds it
}

// keyring holds the ingest keys of all times in memory.
type keyring struct {
	db *store.DB

	mu   sync.RWMutex // guards keys
	keys []ringKey    // by creation
}

type ringKey struct {
	Key
	private *rsa.PrivateKey
}

// open reads the keys, and makes the first one.
func (r *keyring) open(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	if len(r.keys) > 0 {
		return nil
	}
	// The first key is used before any repository holds it: nothing could be
	// measured otherwise. The daemon says loudly what is at risk until then.
	return r.add(ctx, time.Now())
}

func (r *keyring) load(ctx context.Context) error {
	rows, err := r.db.Read().QueryContext(ctx, `SELECT id, private, created, active FROM ingest_keys ORDER BY created, id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var keys []ringKey
	for rows.Next() {
		k, err := scanKey(rows.Scan)
		if err != nil {
			return err
		}
		keys = append(keys, k)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = keys
	return rows.Err()
}

func scanKey(scan func(...any) error) (k ringKey, err error) {
	var private []byte
	var created, active int64
	if err := scan(&k.ID, &private, &created, &active); err != nil {
		return k, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return k, calms.Errorf(calms.KindInternal, "ingest key %s is malformed", k.ID)
	}
	var ok bool
	if k.private, ok = parsed.(*rsa.PrivateKey); !ok {
		return k, calms.Errorf(calms.KindInternal, "ingest key %s is no RSA key", k.ID)
	}
	if k.Public, err = x509.MarshalPKIXPublicKey(&k.private.PublicKey); err != nil {
		return k, err
	}
	k.Created = time.Unix(0, created).UTC()
	if active != 0 {
		k.Active = time.Unix(0, active).UTC()
	}
	return k, nil
}

// add makes a key; a zero active leaves it unused until it is confirmed.
func (r *keyring) add(ctx context.Context, active time.Time) error {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	var since int64
	if !active.IsZero() {
		since = active.UnixNano()
	}
	id := "ik-" + calms.RandomName(10)
	err = r.db.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO ingest_keys (id, private, created, active) VALUES ($1, $2, $3, $4)`,
			id, der, r.nextCreation().UnixNano(), since); err != nil {
			return err
		}
		return store.Record(ctx, tx, "ingest-key.create", id, map[string]any{"active": !active.IsZero()})
	})
	if err != nil {
		return err
	}
	return r.load(ctx)
}

// nextCreation is now, or just after the newest key where the clock was set
// back: the order of creation decides which key is the newest.
func (r *keyring) nextCreation() time.Time {
	now := time.Now()
	if all := r.all(); len(all) > 0 && !now.After(all[0].Created) {
		return all[0].Created.Add(1)
	}
	return now
}

// confirm puts keys into use that a repository holds now.
func (r *keyring) confirm(ctx context.Context, ids []string) error {
	changed := false
	err := r.db.Update(ctx, func(tx store.Tx) error {
		for _, id := range ids {
			done, err := tx.ExecContext(ctx, `UPDATE ingest_keys SET active = $1 WHERE id = $2 AND active = 0`, time.Now().UnixNano(), id)
			if err != nil {
				return err
			}
			if n, err := done.RowsAffected(); err != nil || n == 0 {
				continue
			}
			changed = true
			if err := store.Record(ctx, tx, "ingest-key.activate", id, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !changed {
		return err
	}
	return r.load(ctx)
}

// private finds a key of any time.
func (r *keyring) private(id string) (*rsa.PrivateKey, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, k := range r.keys {
		if k.ID == id {
			return k.private, nil
		}
	}
	return nil, calms.Errorf(calms.KindNotFound, "ingest key %.40q is not one of this cloud's", id)
}

// all lists the keys, newest first.
func (r *keyring) all() (all []Key) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, k := range slices.Backward(r.keys) {
		all = append(all, k.Key)
	}
	return all
}

// usable lists the keys that edges may use, newest first.
func (r *keyring) usable() []Key {
	return slices.DeleteFunc(r.all(), func(k Key) bool { return k.Active.IsZero() })
}

// wireKeys is usable in the form that travels.
func (r *keyring) wireKeys() (keys []wire.IngestKey) {
	for _, k := range r.usable() {
		keys = append(keys, wire.IngestKey{ID: k.ID, PublicKey: k.Public})
	}
	return keys
}

// ids lists all keys, used or not, as a transaction sees them.
func ids(ctx context.Context, tx store.Tx) (ids []string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id FROM ingest_keys ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
