package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"filippo.io/age"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/escrow"
	"go.calms.com/calms/pkg/store"
)

// rig is a small installation: history refers to keys, accounts always sum up
// to 10,000, entries are numbered without holes.
type rig struct {
	t          testing.TB
	data, repo string
	history    *store.DB
	keys       *store.DB
	service    *Service
	person     *age.X25519Identity
	covered    []Covered
}

const (
	historySchema = `CREATE TABLE accounts (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL);
		CREATE TABLE entries (number BIGINT PRIMARY KEY, key_id TEXT NOT NULL, body BLOB NOT NULL);
		CREATE TABLE owners (account BIGINT PRIMARY KEY REFERENCES accounts (id));`
	keysSchema = `CREATE TABLE keys (id TEXT PRIMARY KEY, secret TEXT NOT NULL);`
	// marker is a plaintext that must never be seen in a repository.
	marker = "comp-3-flow-is-41.5-m3/h"
)

func openDB(t testing.TB, dir, name, schema string) *store.DB {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(context.Background(), filepath.Join(dir, name), fstest.MapFS{"migrations/00001_v.sql": {Data: []byte("-- +goose Up\n" + schema)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func newRig(t testing.TB) *rig {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, data: t.TempDir(), repo: filepath.Join(t.TempDir(), "repository"), person: identity}
	r.history, r.keys = openDB(t, r.data, "history.db", historySchema), openDB(t, r.data, "keys.db", keysSchema)
	r.exec(r.history, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO accounts SELECT i, 100 FROM n`)
	r.open(Options{})
	return r
}

// open starts the service over the rig's databases.
func (r *rig) open(options Options) {
	r.t.Helper()
	options.DataDir = r.data
	options.Covered = func(_ context.Context, c Covered) error {
		r.covered = append(r.covered, c)
		return nil
	}
	service, err := Open(context.Background(), r.data, options)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { service.Close() })
	service.Protect(Database("history", r.history, headMark), Database("keys", r.keys, nil))
	r.service = service
}

func (r *rig) reopen(options Options) {
	r.t.Helper()
	if err := r.service.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.open(options)
}

func headMark(ctx context.Context, tx store.Tx) (map[string]string, error) {
	var head int64
	err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) FROM entries`).Scan(&head)
	return map[string]string{"head": fmt.Sprint(head)}, err
}

func request(t testing.TB, folder string, person *age.X25519Identity) api.RepositoryRequest {
	t.Helper()
	key, err := escrow.Make([]string{person.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	return api.RepositoryRequest{Folder: folder, Recipient: key.Recipient, WrappedKey: key.Wrapped, Recipients: key.People}
}

func (r *rig) init() {
	r.t.Helper()
	if _, err := r.service.Init(context.Background(), request(r.t, r.repo, r.person)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) exec(db *store.DB, query string, args ...any) {
	r.t.Helper()
	err := db.Update(context.Background(), func(tx store.Tx) error {
		_, err := tx.ExecContext(context.Background(), query, args...)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// add writes count entries of size bytes that do not compress, numbered on from
// after; the same numbers give the same bytes.
func (r *rig) add(after, count, size int) {
	r.t.Helper()
	r.exec(r.keys, `INSERT INTO keys VALUES ($1, $2)`, fmt.Sprintf("k%06d", after), marker)
	err := r.history.Update(context.Background(), func(tx store.Tx) error {
		for n := after + 1; n <= after+count; n++ {
			body := make([]byte, size)
			rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(body)
			copy(body, marker)
			if _, err := tx.ExecContext(context.Background(), `INSERT INTO entries VALUES ($1, $2, $3)`, n, fmt.Sprintf("k%06d", after), body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) take() api.Snapshot {
	r.t.Helper()
	snapshot, err := r.service.Take(context.Background(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return snapshot
}

func (r *rig) bucket() blob.Bucket {
	r.t.Helper()
	bucket, err := blob.OpenFolder(r.repo)
	if err != nil {
		r.t.Fatal(err)
	}
	return bucket
}

// identity is what calmsctl does on the operator's machine.
func (r *rig) identity() *age.X25519Identity {
	r.t.Helper()
	repository, err := OpenRepository(context.Background(), r.bucket())
	if err != nil {
		r.t.Fatal(err)
	}
	wrapped, err := repository.WrappedKey(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	identity, err := escrow.Unwrap(wrapped, []age.Identity{r.person})
	if err != nil {
		r.t.Fatal(err)
	}
	return identity
}

// restored makes an empty installation and restores into it.
func (r *rig) restored(id string) (*rig, Report, error) {
	r.t.Helper()
	to := &rig{t: r.t, data: r.t.TempDir(), repo: r.repo, person: r.person}
	to.history, to.keys = openDB(r.t, to.data, "history.db", historySchema), openDB(r.t, to.data, "keys.db", keysSchema)
	to.open(Options{})
	report, err := Restore(context.Background(), r.bucket(), id, r.identity(), []Source{
		Database("history", to.history, nil), Database("keys", to.keys, nil), Database("backup", to.service.DB(), nil),
	}, nil)
	return to, report, err
}

func (r *rig) mustRestore(id string) (*rig, Report) {
	r.t.Helper()
	to, report, err := r.restored(id)
	if err != nil {
		r.t.Fatal(err)
	}
	return to, report
}

// check tells whether the installation holds together, and how many entries it
// has.
func (r *rig) check() (head int) {
	r.t.Helper()
	ctx := context.Background()
	var sum, count int
	err := errors.Join(
		r.history.Read().QueryRowContext(ctx, `SELECT SUM(amount) FROM accounts`).Scan(&sum),
		r.history.Read().QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MAX(number), 0) FROM entries`).Scan(&count, &head))
	if err != nil || sum != 10_000 || count != head {
		r.t.Errorf("sum %d, %d entries up to %d, %v", sum, count, head, err)
	}
	rows, err := r.history.Read().QueryContext(ctx, `SELECT DISTINCT key_id FROM entries`)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, secret string
		if err := rows.Scan(&id); err != nil {
			r.t.Fatal(err)
		}
		if err := r.keys.Read().QueryRowContext(ctx, `SELECT secret FROM keys WHERE id = $1`, id).Scan(&secret); err != nil || secret != marker {
			r.t.Errorf("key %s is not there: %v", id, err)
		}
	}
	return head
}

// dump is everything in a database, as text.
func dump(t testing.TB, db *store.DB) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := store.Export(context.Background(), db, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func (r *rig) packs() (names []string) {
	r.t.Helper()
	infos, err := r.bucket().List(context.Background(), packPrefix)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return names
}

func wait(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
