package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Output is a file being written, see [Create]. Not safe for concurrent use.
type Output struct {
	f     *os.File
	place string // where the file goes when it is whole; empty for a stream
	ends  ending
	done  bool
}

// ending is what becomes of a stream.
type ending int

const (
	closed   ending = iota
	flushed         // a block device: flushed, then closed
	borrowed        // this process's own standard output or error: left open
)

// Create begins the file at path, with mode perm (the umask does not apply). A
// regular or missing target is written beside its place and gets its name with
// [Output.Commit]; until then, and after [Output.Abort], the old file stands.
// Symbolic links are followed, not replaced. Anything else that can be written
// to, a device, a named pipe or /dev/stdout, is written as it comes: it is
// never replaced, nothing can be taken back from it, and perm does not apply.
// A directory is [calms.KindInvalid].
func Create(path string, perm fs.FileMode) (*Output, error) {
	t, err := findTarget(path)
	if err != nil {
		return nil, err
	}
	if std := t.standard(); std != nil {
		return &Output{f: std, ends: borrowed}, nil
	}
	if t.stream() {
		return t.open()
	}
	return t.replace(perm)
}

func (t target) open() (*Output, error) {
	if t.info.IsDir() {
		return nil, t.notRegular()
	}
	f, err := os.OpenFile(t.path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	out := &Output{f: f}
	if t.info.Mode().Type() == fs.ModeDevice {
		out.ends = flushed
	}
	return out, nil
}

// replace begins a new file beside the target. It must be the same directory,
// as a rename across file systems is a copy and not atomic.
func (t target) replace(perm fs.FileMode) (*Output, error) {
	f, err := os.CreateTemp(filepath.Dir(t.path), "."+filepath.Base(t.path)+".tmp-*")
	if err != nil {
		return nil, err
	}
	out := &Output{f: f, place: t.path}
	// The mode before the content: a secret is never readable by others, not
	// even for a moment. CreateTemp made the file 0600.
	if err := f.Chmod(perm); err != nil {
		return nil, errors.Join(err, out.Abort())
	}
	return out, nil
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) { return o.f.Write(p) }

// Standard reports that what is written comes out at this process's standard
// output or error: what is told about it belongs elsewhere.
func (o *Output) Standard() bool { return o.ends == borrowed }

// Commit ends the output. When it returns nil a file is on disk under its name;
// with an error the old one stands.
func (o *Output) Commit() error {
	if o.place == "" {
		return o.end()
	}
	// fsync before the rename: file systems may put the rename on disk before
	// the content, and a power cut would leave an empty file under the name.
	if err := o.f.Sync(); err != nil {
		return errors.Join(err, o.Abort())
	}
	o.done = true
	err := o.f.Close()
	if err == nil {
		// Atomic: whoever opens the file gets the old one or the new one.
		err = os.Rename(o.f.Name(), o.place)
	}
	if err != nil {
		return errors.Join(err, os.Remove(o.f.Name()))
	}
	return SyncDir(filepath.Dir(o.place))
}

// Abort gives up what is not committed, and does nothing after that: it may be
// deferred.
func (o *Output) Abort() error {
	if o.done {
		return nil
	}
	if o.place == "" {
		return o.end()
	}
	o.done = true
	return errors.Join(o.f.Close(), os.Remove(o.f.Name()))
}

// end closes a stream.
func (o *Output) end() error {
	o.done = true
	switch o.ends {
	case borrowed:
		return nil
	case flushed:
		return errors.Join(o.f.Sync(), o.f.Close())
	}
	return o.f.Close()
}
