// Package identity knows the operators and recognises them by their keys. Users,
// roles and other ways to log in will stand here too.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

const (
	keyPrefix = "calms-op-" // so that people and secret scanners recognise a key
	keyBytes  = 32
	// firstOperator is the name that Bootstrap gives.
	firstOperator = "first"
)

// Operator is a person (or a script of theirs) at calmsctl.
type Operator struct {
	Name string
}

// Service is the identity service. All methods are safe for concurrent use.
type Service struct {
	db *store.DB
}

// Open opens the service's database in dir, which is made (0700) where there is
// none.
func Open(ctx context.Context, dir string) (*Service, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, calms.Wrap("open identity", err)
	}
	db, err := store.Open(ctx, filepath.Join(dir, "identity.db"), Migrations())
	if err != nil {
		return nil, calms.Wrap("open identity", err)
	}
	return &Service{db: db}, nil
}

// DB is the service's database, for backup.
func (s *Service) DB() *store.DB { return s.db }

// Close closes the database.
func (s *Service) Close() error { return s.db.Close() }

// Bootstrap makes the first operator where there is none at all, and passes the
// key to keep, once: the database has its hash only. Keep must have the key on
// disk when it returns; the operator exists only if it returns nil, so that no
// crash leaves an operator whose key nobody has.
func (s *Service) Bootstrap(ctx context.Context, keep func(key string) error) error {
	return calms.Wrap("make first operator", s.db.Update(ctx, func(tx store.Tx) error {
		var operators int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM operators`).Scan(&operators); err != nil || operators > 0 {
			return err
		}
		key := newKey()
		hash := sha256.Sum256([]byte(key))
		if _, err := tx.ExecContext(ctx, `INSERT INTO operators (name, key_hash, created) VALUES ($1, $2, $3)`,
			firstOperator, hash[:], time.Now().UnixNano()); err != nil {
			return err
		}
		if err := store.Record(ctx, tx, "operator.create", firstOperator, nil); err != nil {
			return err
		}
		return keep(key)
	}))
}

// newKey draws a key: calms-op-<base64url of 32 random bytes>.
func newKey() string {
	raw := make([]byte, keyBytes)
	rand.Read(raw) // never fails, see crypto/rand
	return keyPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// Authenticate tells whose key this is. Surrounding white space is ignored, as
// keys come from files. The error's kind is [calms.KindUnauthenticated].
func (s *Service) Authenticate(ctx context.Context, key string) (Operator, error) {
	key = strings.TrimSpace(key)
	switch {
	case key == "":
		return Operator{}, unauthenticated("no operator key was given")
	case !strings.HasPrefix(key, keyPrefix):
		return Operator{}, unauthenticated("this is no operator key: it does not begin with " + keyPrefix)
	}
	// The hash of 32 random bytes needs no salt and no slow function: nobody
	// finds them by trying.
	name, err := s.owner(ctx, sha256.Sum256([]byte(key)))
	if err != nil {
		return Operator{}, calms.Wrap("authenticate", err)
	}
	if name == "" {
		return Operator{}, unauthenticated("the operator key is not known here")
	}
	return Operator{Name: name}, nil
}

// owner compares hash with every operator's, in constant time: how long it takes
// tells nothing of what is stored.
func (s *Service) owner(ctx context.Context, hash [sha256.Size]byte) (owner string, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT name, key_hash FROM operators`)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var stored []byte
		if err := rows.Scan(&name, &stored); err != nil {
			return "", err
		}
		if subtle.ConstantTimeCompare(stored, hash[:]) == 1 {
			owner = name
		}
	}
	return owner, rows.Err()
}

func unauthenticated(msg string) error {
	return calms.Errorf(calms.KindUnauthenticated, "%s", msg).
		WithHint("give calmsctl the key file that calms-cloudd named at its first start; see calmsctl context --help")
}
