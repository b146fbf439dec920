package backup

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/escrow"
	"go.calms.com/calms/pkg/store"
)

// ErrNoRepository is in the chain of errors of an installation that has no
// repository yet.
var ErrNoRepository = errors.New("there is no backup repository")

// keeping is what the daemon knows of its repository. It holds keys that name
// and sign, and none that reads.
type keeping struct {
	location  string
	about     About
	namingKey []byte
	signer    ed25519.PrivateKey
}

const namingKeyBytes = 32

// keeping reads the configuration; [ErrNoRepository] when there is none.
func (s *Service) keeping(ctx context.Context) (k keeping, err error) {
	var about string
	var seed []byte
	err = s.db.Read().QueryRowContext(ctx, `SELECT location, about, naming_key, signing_key FROM repository`).
		Scan(&k.location, &about, &k.namingKey, &seed)
	if errors.Is(err, sql.ErrNoRows) {
		return keeping{}, calms.Errorf(calms.KindUnavailable, "%w", ErrNoRepository).WithHint("calmsctl backup init")
	}
	if err != nil {
		return keeping{}, err
	}
	if err := json.Unmarshal([]byte(about), &k.about); err != nil {
		return keeping{}, err
	}
	k.signer = ed25519.NewKeyFromSeed(seed)
	return k, nil
}

// Init sets the repository up, once; the folder is made where there is none.
// The key pair in request was made by escrow.Make where the operator works. It
// is [calms.KindConflict] when there is a repository already, here or in the
// folder.
func (s *Service) Init(ctx context.Context, request api.RepositoryRequest) (api.Repository, error) {
	repository, err := s.init(ctx, request)
	if err != nil {
		return api.Repository{}, calms.Wrap("set up repository", err)
	}
	s.nudge()
	return repository, nil
}

func (s *Service) init(ctx context.Context, request api.RepositoryRequest) (api.Repository, error) {
	if err := checkRequest(request); err != nil {
		return api.Repository{}, err
	}
	s.taking.Lock() // two calls at once would make two repositories
	defer s.taking.Unlock()
	if k, err := s.keeping(ctx); err == nil {
		return api.Repository{}, calms.Errorf(calms.KindConflict, "there is a repository already, in %s", k.location)
	} else if !errors.Is(err, ErrNoRepository) {
		return api.Repository{}, err
	}
	k, seed := newKeeping(request)
	bucket, err := blob.MakeFolder(request.Folder)
	if err != nil {
		return api.Repository{}, err
	}
	if err := makeRepository(ctx, bucket, k.about, request.WrappedKey); err != nil {
		return api.Repository{}, err
	}
	return k.shown(), s.keep(ctx, k, seed)
}

func checkRequest(request api.RepositoryRequest) error {
	if !filepath.IsAbs(request.Folder) {
		return calms.Errorf(calms.KindInvalid, "folder %q is not an absolute path on the cloud's machine", request.Folder)
	}
	return escrow.Check(escrow.Key{Recipient: request.Recipient, Wrapped: request.WrappedKey, People: request.Recipients})
}

// newKeeping draws the keys that name and sign.
func newKeeping(request api.RepositoryRequest) (k keeping, seed []byte) {
	seed = make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails, see crypto/rand
	k = keeping{location: filepath.Clean(request.Folder), namingKey: make([]byte, namingKeyBytes), signer: ed25519.NewKeyFromSeed(seed)}
	rand.Read(k.namingKey)
	k.about = About{
		Version: formatVersion, ID: calms.RandomName(10), Created: time.Now().UTC().Truncate(time.Second),
		Recipient: request.Recipient, People: request.Recipients, Signer: k.signer.Public().(ed25519.PublicKey),
	}
	return k, seed
}

func (s *Service) keep(ctx context.Context, k keeping, seed []byte) error {
	about, err := json.Marshal(k.about)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO repository (one, location, about, naming_key, signing_key) VALUES (1, $1, $2, $3, $4)`,
			k.location, string(about), k.namingKey, seed)
		if err != nil {
			return err
		}
		return store.Record(ctx, tx, "repository.create", k.about.ID, map[string]any{"folder": k.location, "recipients": k.about.People})
	})
}

func (k keeping) shown() api.Repository {
	return api.Repository{Folder: k.location, Recipient: k.about.Recipient, Recipients: k.about.People, Created: k.about.Created}
}

// repository opens the repository and sees to it that it is ours: another one,
// or an empty folder where ours is not mounted, must not be written to. What is
// sealed to and who is believed stays what we know, whatever is in the folder.
func (s *Service) repository(ctx context.Context) (*Repository, keeping, error) {
	k, err := s.keeping(ctx)
	if err != nil {
		return nil, keeping{}, err
	}
	bucket, err := s.options.Open(k.location)
	if err != nil {
		return nil, k, err
	}
	about, err := readAbout(ctx, bucket)
	if missing(err) {
		err = calms.Errorf(calms.KindUnreachable, "%s holds no repository: %w", k.location, err).WithHint("is it mounted?")
	} else if err == nil && about.ID != k.about.ID {
		err = calms.Errorf(calms.KindUnreachable, "%s holds repository %s, ours is %s", k.location, about.ID, k.about.ID).WithHint("is the right folder mounted?")
	}
	if err != nil {
		return nil, k, err
	}
	return &Repository{About: k.about, bucket: bucket, signer: k.about.Signer}, k, nil
}
