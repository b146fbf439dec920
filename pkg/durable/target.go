package durable

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.calms.com/calms/pkg/calms"
)

// maxLinks is how many symbolic links Linux follows, too.
const maxLinks = 40

// A target is what a path leads to.
type target struct {
	path string      // without a symbolic link at its end, where it is a regular file or missing
	info fs.FileInfo // nil where there is nothing yet
}

// findTarget follows path. The kernel looks first: it refuses links that
// another user left in a directory open to all, and it alone can follow those
// of /proc, where /dev/stdout leads and whose text is no path.
func findTarget(path string) (target, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return target{path, info}, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return target{}, err
	}
	end, err := followLinks(path)
	return target{end, info}, err
}

// followLinks returns where the links at the end of path lead, also where
// nothing is there: a rename would replace the first of them.
func followLinks(path string) (string, error) {
	for range maxLinks {
		// Split and not Dir, which takes ".." away before links are followed.
		dir, name := filepath.Split(path)
		dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, name)
		link, err := os.Readlink(path)
		if err != nil {
			return path, nil // no link: a file, or nothing
		}
		if path = link; !filepath.IsAbs(link) {
			path = dir + string(filepath.Separator) + link
		}
	}
	return "", calms.Errorf(calms.KindInvalid, "%s: too many symbolic links", path)
}

// stream reports that the target cannot be replaced, but written to: a device,
// a named pipe.
func (t target) stream() bool { return t.info != nil && !t.info.Mode().IsRegular() }

// standard returns the standard output or error where it is the target, else
// nil. Opened anew, a file would be written from its beginning, over what a
// shell's >> keeps, and a socket cannot be opened at all.
func (t target) standard() *os.File {
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if info, err := f.Stat(); t.info != nil && err == nil && os.SameFile(t.info, info) {
			return f
		}
	}
	return nil
}

// notRegular is the error for a target that is not replaced.
func (t target) notRegular() error {
	what := "a device"
	switch mode := t.info.Mode(); {
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	}
	return calms.Errorf(calms.KindInvalid, "%s is %s, not a regular file", t.path, what).
		WithHint("name a file")
}
