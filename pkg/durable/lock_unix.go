//go:build unix

package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"go.calms.com/calms/pkg/calms"
)

const lockName = "lock"

// DirLock is a directory held by this process, see [Lock].
type DirLock struct{ f *os.File }

// Lock takes a directory for this process alone, by a file "lock" in it that
// holds the process id. It does not wait: where another process has the
// directory the error is [calms.KindConflict] and names it. The kernel drops
// the lock when the process ends, however it ends.
func Lock(dir string) (*DirLock, error) {
	l, err := lock(dir)
	if err != nil {
		return nil, calms.Wrap("lock "+dir, err)
	}
	return l, nil
}

func lock(dir string) (*DirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// flock and not fcntl: an fcntl lock is lost when any descriptor of the
	// file is closed in this process.
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = heldBy(f)
	} else if err == nil {
		err = sign(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &DirLock{f: f}, nil
}

func heldBy(f *os.File) error {
	holder := "another process"
	if pid, err := io.ReadAll(io.LimitReader(f, 20)); err == nil && len(pid) > 0 {
		holder = "process " + strings.TrimSpace(string(pid))
	}
	return calms.Errorf(calms.KindConflict, "%s is using it", holder).
		WithHint("stop %s, or use another data directory", holder)
}

// sign writes who holds the lock. It is for people only, so it is not synced.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// Close gives the directory free. The file stays: removing it would let two
// processes hold locks on two files of the same name.
func (l *DirLock) Close() error { return l.f.Close() }
