package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile replaces the file at path with data and mode perm (the umask does
// not apply). When it returns nil the content is on disk; when it returns an
// error, or the machine dies meanwhile, the old file stands as it was. Readers
// never see a part. A symbolic link at path is replaced, not followed. The
// directory must exist. Safe for concurrent use: the last rename wins.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	temp, err := writeTemp(path, data, perm)
	if err != nil {
		return err
	}
	// rename is atomic: whoever opens path gets the old file or the new one.
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(filepath.Dir(path))
}

// writeTemp leaves data on disk in a new file beside path. It must be the same
// directory, as a rename across file systems is a copy and not atomic.
func writeTemp(path string, data []byte, perm fs.FileMode) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return "", err
	}
	if err := errors.Join(fill(f, data, perm), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func fill(f *os.File, data []byte, perm fs.FileMode) error {
	// The mode before the content: a secret is never readable by others, not
	// even for a moment. CreateTemp made the file 0600.
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	// fsync before the rename: file systems may put the rename on disk before
	// the content, and a power cut would leave an empty file under path.
	return f.Sync()
}
