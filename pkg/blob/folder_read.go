package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"go.calms.com/calms/pkg/calms"
)

// Get implements [Bucket].
func (f *Folder) Get(ctx context.Context, name string) ([]byte, error) {
	data, err := f.get(ctx, name)
	return data, calms.Wrap("get "+name, classify(err))
}

func (f *Folder) get(ctx context.Context, name string) ([]byte, error) {
	if _, err := f.stat(ctx, name); err != nil {
		return nil, err
	}
	file, err := os.Open(f.path(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxObject+1))
	if err == nil && len(data) > MaxObject {
		err = calms.Errorf(calms.KindInvalid, "it is larger than the %d bytes that are allowed", MaxObject)
	}
	return data, err
}

// Stat implements [Bucket].
func (f *Folder) Stat(ctx context.Context, name string) (Info, error) {
	info, err := f.stat(ctx, name)
	return info, calms.Wrap("stat "+name, classify(err))
}

func (f *Folder) stat(ctx context.Context, name string) (Info, error) {
	if err := errors.Join(CheckName(name), ctx.Err(), f.reachable()); err != nil {
		return Info{}, err
	}
	info, err := os.Lstat(f.path(name))
	if err != nil {
		return Info{}, err
	}
	if !info.Mode().IsRegular() {
		return Info{}, fs.ErrNotExist // a directory, or something that is not ours
	}
	return Info{Name: name, Size: info.Size(), Created: info.ModTime()}, nil
}

// List implements [Bucket].
func (f *Folder) List(ctx context.Context, prefix string) ([]Info, error) {
	list, err := f.list(ctx, prefix)
	return list, calms.Wrap("list "+prefix, classify(err))
}

func (f *Folder) list(ctx context.Context, prefix string) (list []Info, err error) {
	if err := f.reachable(); err != nil {
		return nil, err
	}
	err = fs.WalkDir(os.DirFS(f.dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if entry.IsDir() {
			return skipDir(name, prefix)
		}
		if !entry.Type().IsRegular() || !strings.HasPrefix(name, prefix) || CheckName(name) != nil {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			list = append(list, Info{Name: name, Size: info.Size(), Created: info.ModTime()})
		}
		return err
	})
	// A walk goes directory by directory: "a/b" comes before "a-b" there.
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// skipDir spares a walk the directories that hold no name with the prefix.
func skipDir(dir, prefix string) error {
	if dir == "." || CheckName(dir) == nil && (strings.HasPrefix(dir+"/", prefix) || strings.HasPrefix(prefix, dir+"/")) {
		return nil
	}
	return fs.SkipDir
}

// classify gives errors of the file system the contract's kinds.
func classify(err error) error {
	if e, ok := errors.AsType[*calms.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return calms.Errorf(calms.KindConflict, "it exists already: %w", err)
	case errors.Is(err, fs.ErrNotExist):
		return calms.Errorf(calms.KindNotFound, "%w", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return calms.Errorf(calms.KindUnavailable, "the disk is full: %w", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return calms.Errorf(calms.KindUnavailable, "%w", err).WithHint("the folder must belong to the user that runs this program")
	}
	return err
}
