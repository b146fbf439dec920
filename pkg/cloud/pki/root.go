package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/durable"
	"go.calms.com/calms/pkg/store"
)

// RootKeyName is the file, in the directory of the service, that holds the key
// of the root as long as it lies on the machine.
const RootKeyName = "root.key"

func (s *Service) rootKeyPath() string { return filepath.Join(s.dir, RootKeyName) }

// RootKeyHere reports whether the root's key still lies on this machine.
func (s *Service) RootKeyHere() bool {
	_, err := os.Lstat(s.rootKeyPath())
	return err == nil
}

// found makes the first authorities, unless there are some. They are confirmed
// at once: a cloud without them could not even make its first backup.
func (s *Service) found(ctx context.Context) error {
	var count int
	if err := s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM authorities`).Scan(&count); err != nil || count > 0 {
		return err
	}
	key, err := s.firstRootKey()
	if err != nil {
		return err
	}
	now := s.options.Now()
	certificate, err := certs.NewRoot(key, authorityName(Root), now, rootLife)
	if err != nil {
		return err
	}
	first := []authority{described(Root, certificate, nil, now)}
	for _, kind := range []Kind{Devices, Services} {
		a, err := s.intermediate(certs.Authority{Certificate: certificate, Signer: key}, kind)
		if err != nil {
			return err
		}
		first = append(first, a)
	}
	return s.db.Update(ctx, func(tx store.Tx) error {
		for _, a := range first {
			a.Confirmed = now
			if err := keep(ctx, tx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// firstRootKey makes the root's key file. One that is there already, from a
// start that died half-way, is used: a root's key is never overwritten.
func (s *Service) firstRootKey() (crypto.Signer, error) {
	key, err := certs.ReadKey(s.rootKeyPath())
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = certs.NewKey(s.options.Algorithm); err != nil {
		return nil, err
	}
	return key, certs.WriteKey(s.rootKeyPath(), key)
}

// intermediate makes an authority of a kind, pending, below root.
func (s *Service) intermediate(root certs.Authority, kind Kind) (authority, error) {
	key, err := certs.NewKey(s.options.Algorithm)
	if err != nil {
		return authority{}, err
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if kind == Services {
		usages = append(usages, x509.ExtKeyUsageServerAuth)
	}
	now := s.options.Now()
	certificate, err := root.IssueAuthority(key.Public(), authorityName(kind), usages, now, intermediateLife)
	if err != nil {
		return authority{}, err
	}
	return described(kind, certificate, key, now), nil
}

func described(kind Kind, certificate *x509.Certificate, signer crypto.Signer, now time.Time) authority {
	return authority{Authority{ID: certs.FingerprintOf(certificate).String(), Kind: kind, Certificate: certificate, Created: now}, signer}
}

// authorityName is unique: verifiers find issuers by name.
func authorityName(kind Kind) string { return "calms " + string(kind) + " " + calms.RandomName(5) }

// TakeRoot takes the root's key off the machine: it writes it to out, a file
// that must not exist (0600, PEM), reads that back, proves it against the root
// certificate, and only then overwrites and removes the original. On a disk that
// remaps blocks the overwriting is no guarantee: the directory's volume should be
// encrypted. A second call says that the key is gone ([calms.KindNotFound]).
func (s *Service) TakeRoot(ctx context.Context, out string) error {
	s.rootKey.Lock()
	defer s.rootKey.Unlock()
	return calms.Wrap("take root key", s.takeRoot(ctx, out))
}

func (s *Service) takeRoot(ctx context.Context, out string) error {
	root, err := s.readRootKey(s.rootKeyPath())
	if err != nil {
		return err
	}
	if err := writeNew(out, root.Signer); err != nil {
		return err
	}
	if _, err := s.readRootKey(out); err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx store.Tx) error {
		return store.Record(ctx, tx, "authority.take-root", certs.FingerprintOf(root.Certificate).String(), map[string]any{"file": out})
	})
	if err != nil {
		return err
	}
	return shred(s.rootKeyPath())
}

// readRootKey reads the root's key from a file and finds the root that it is for.
func (s *Service) readRootKey(path string) (certs.Authority, error) {
	key, err := certs.ReadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return certs.Authority{}, calms.Errorf(calms.KindNotFound, "there is no root key at %s", path).
			WithHint("bring the file that the root key was taken to")
	}
	if err != nil {
		return certs.Authority{}, err
	}
	for _, a := range s.Authorities() {
		if a.Kind == Root && certs.SameKey(a.Certificate.PublicKey, key.Public()) {
			return certs.Authority{Certificate: a.Certificate, Signer: key}, nil
		}
	}
	return certs.Authority{}, calms.Errorf(calms.KindInvalid, "the key at %s is not of this cloud's root", path)
}

func writeNew(path string, key crypto.Signer) error {
	if _, err := os.Lstat(path); err == nil {
		return calms.Errorf(calms.KindConflict, "%s exists already", path).WithHint("name a new file, best on a medium that leaves the machine")
	}
	return certs.WriteKey(path, key)
}

// shred overwrites a file on disk and removes it.
func shred(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, info.Size()))
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Remove(path), durable.SyncDir(filepath.Dir(path)))
}
