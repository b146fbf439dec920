package blob

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
)

// Folder is a [Bucket] on a file system: an object is a file of its name
// (directories 0700, files 0600), readable with every ordinary tool. The file
// system must know hard links.
type Folder struct {
	dir string
}

const (
	// unfinished is the directory of files being written; names of objects
	// never begin with a dot.
	unfinished = ".unfinished"
	// abandoned is the age at which an unfinished file belongs to no living
	// writer: an object is written in seconds.
	abandoned = time.Hour
)

// MakeFolder opens the bucket at dir and makes the directory where there is
// none.
func MakeFolder(dir string) (*Folder, error) {
	if err := makeDir(filepath.Clean(dir)); err != nil {
		return nil, calms.Wrap("make bucket "+dir, classify(err))
	}
	return OpenFolder(dir)
}

// OpenFolder opens the bucket at dir. A directory that is missing gives
// [calms.KindUnreachable] and is not made: most likely something is not mounted.
func OpenFolder(dir string) (*Folder, error) {
	f := &Folder{dir: filepath.Clean(dir)}
	if err := f.reachable(); err != nil {
		return nil, calms.Wrap("open bucket "+dir, err)
	}
	f.sweep()
	return f, nil
}

func (f *Folder) reachable() error {
	info, err := os.Stat(f.dir)
	if err != nil {
		return calms.Errorf(calms.KindUnreachable, "%w", err).WithHint("is it mounted? otherwise: mkdir -m 700 %s", f.dir)
	}
	if !info.IsDir() {
		return calms.Errorf(calms.KindInvalid, "%s is not a directory", f.dir)
	}
	return nil
}

// sweep removes what killed writers left behind; whatever it cannot remove is
// invisible anyway.
func (f *Folder) sweep() {
	left, err := os.ReadDir(filepath.Join(f.dir, unfinished))
	if err != nil {
		return
	}
	for _, entry := range left {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			os.Remove(filepath.Join(f.dir, unfinished, entry.Name()))
		}
	}
}

func (f *Folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// Put implements [Bucket].
func (f *Folder) Put(ctx context.Context, name string, data []byte) error {
	err := checkPut(ctx, name, data)
	if err == nil {
		err = f.put(name, data)
	}
	return calms.Wrap("put "+name, classify(err))
}

func (f *Folder) put(name string, data []byte) error {
	if err := f.reachable(); err != nil {
		return err
	}
	path := f.path(name)
	if _, err := os.Lstat(path); err == nil {
		// The one who made it may not have reached this step yet.
		return errors.Join(fs.ErrExist, durable.SyncDir(filepath.Dir(path)))
	}
	if err := errors.Join(makeDir(filepath.Dir(path)), makeDir(filepath.Join(f.dir, unfinished))); err != nil {
		return err
	}
	return publish(filepath.Join(f.dir, unfinished), path, data)
}

// publish makes the file at path in the order that durability needs: content on
// disk, then the name (a link never replaces a file), then the name on disk.
func publish(scratch, path string, data []byte) error {
	temp, err := writeTemp(scratch, data)
	if err != nil {
		return err
	}
	defer os.Remove(temp) // published or not, this name is not needed
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	} else if sync := durable.SyncDir(filepath.Dir(path)); sync != nil {
		return sync
	} else {
		return err
	}
}

// writeTemp leaves nothing behind when it fails.
func writeTemp(dir string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(dir, "") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// makeDir makes a directory and its parents, each durable.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.SyncDir(parent)
}
