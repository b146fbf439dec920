package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.calms.com/calms/pkg/calms"
)

// others is the permissions of everybody but the owner.
const others = 0o077

// CheckPrivate refuses an identity that group or others have any access to,
// with [calms.KindInvalid]: whoever reads the key is this device. It does not
// tighten anything, as somebody should ask who may have read it. An identity
// that is not there is private.
func CheckPrivate(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return calms.Wrap("check identity", err)
	}
	paths := []string{dir}
	for _, e := range entries {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	for _, path := range paths {
		if err := CheckMode(path); err != nil {
			return err
		}
	}
	return nil
}

// CheckMode refuses one file or directory that group or others have any access
// to.
func CheckMode(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed meanwhile, by a renewal
	}
	if err != nil {
		return calms.Wrap("check permissions", err)
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return calms.Errorf(calms.KindInvalid, "%s is open to others (mode %#o)", path, mode).
			WithHint("chmod go-rwx %s; if somebody may have copied the key: calmsctl device revoke", path)
	}
	return nil
}
