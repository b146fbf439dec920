package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
	"go.calms.com/calms/pkg/edge/archive"
	"go.calms.com/calms/pkg/wire"
)

// imports is the exports that were brought in and that wait to reach the cloud.
type imports struct {
	dir    string
	device calms.DeviceID
	log    *slog.Logger

	mu    sync.Mutex
	files []*imported // guarded by mu
}

// imported is one file and how far the cloud has it.
type imported struct {
	*archive.Archive
	cursor map[uint64]uint64 // by generation
}

const importSuffix = ".export"

// reload takes in the files that came since the last time. One that cannot be
// read is left and told: it was whole when it was brought in.
func (i *imports) reload() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	paths, err := filepath.Glob(filepath.Join(i.dir, "*"+importSuffix))
	if err != nil {
		return err
	}
	var broken []error
	for _, path := range paths {
		if slices.ContainsFunc(i.files, func(f *imported) bool { return f.Path() == path }) {
			continue
		}
		opened, err := openExport(path, i.device)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		i.files = append(i.files, &imported{opened, map[uint64]uint64{}})
	}
	return errors.Join(broken...)
}

// openExport opens an export of one device.
func openExport(path string, device calms.DeviceID) (*archive.Archive, error) {
	a, err := archive.Open(path)
	if err != nil {
		return nil, err
	}
	for _, h := range a.Held() {
		if h.Journal.Device != device {
			return nil, errors.Join(a.Close(), calms.Errorf(calms.KindConflict, "%s is an export of %s, and this edge is %s", path, h.Journal.Device, device).
				WithHint("import it on the edge that it came from, or on its replacement"))
		}
	}
	return a, nil
}

// placeExport copies an export into the directory of imports, durably, under a name
// made of its content, so that bringing it in twice is bringing it in once.
func placeExport(dir, source, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := durable.Create(filepath.Join(dir, name+importSuffix), 0o600)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Commit()
}

// held describes the imported journals that the edge does not hold itself.
func (i *imports) held(own []wire.Held) []wire.Held {
	i.mu.Lock()
	defer i.mu.Unlock()
	var held []wire.Held
	for _, f := range i.files {
		for _, h := range f.Held() {
			known := func(o wire.Held) bool { return o.Journal.Generation == h.Journal.Generation }
			if !slices.ContainsFunc(own, known) && !slices.ContainsFunc(held, known) {
				held = append(held, h)
			}
		}
	}
	return held
}

// only reports whether a journal is known from an import.
func (i *imports) only(id wire.JournalID) bool {
	return slices.ContainsFunc(i.held(nil), func(h wire.Held) bool { return h.Journal == id })
}

// each asks the files one by one until one has an answer.
func (i *imports) each(ask func(*imported) (done bool, err error)) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, f := range i.files {
		if done, err := ask(f); done || err != nil {
			return err
		}
	}
	return nil
}

func (i *imports) read(ctx context.Context, id wire.JournalID, from uint64, maxBytes int) (entries []wire.Entry, loss *wire.Loss, err error) {
	err = i.each(func(f *imported) (bool, error) {
		var l *wire.Loss
		entries, l, err = f.Read(ctx, id, from, maxBytes)
		if loss == nil {
			loss = l
		}
		return len(entries) > 0, err
	})
	return entries, loss, err
}

func (i *imports) hashAt(ctx context.Context, id wire.JournalID, number uint64) (hash wire.Hash, known bool, err error) {
	err = i.each(func(f *imported) (bool, error) {
		hash, known, err = f.HashAt(ctx, id, number)
		return known, err
	})
	return hash, known, err
}

func (i *imports) object(ctx context.Context, name wire.Hash) (object []byte, err error) {
	err = i.each(func(f *imported) (bool, error) {
		object, err = f.Object(ctx, name)
		if calms.KindOf(err) == calms.KindNotFound {
			return false, nil
		}
		return true, err
	})
	if err == nil && object == nil {
		err = calms.Errorf(calms.KindNotFound, "object %s is not held", name)
	}
	return object, err
}

// acknowledge notes the cloud's cursor, and removes the files of which the cloud
// has everything.
func (i *imports) acknowledge(generation, cursor uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.files = slices.DeleteFunc(i.files, func(f *imported) bool {
		f.cursor[generation] = cursor
		for _, h := range f.Held() {
			if f.cursor[h.Journal.Generation] < h.Last {
				return false
			}
		}
		i.log.Info("import has reached the cloud", "file", filepath.Base(f.Path()), "entries", f.Counts().Entries)
		if err := errors.Join(f.Close(), os.Remove(f.Path())); err != nil {
			i.log.Warn("import not removed", "error", err)
		}
		return true
	})
}

// importStatus is one file that waits.
type importStatus struct {
	File    string `json:"file"`
	Entries uint64 `json:"entries"`
	Journal string `json:"journal"`
	Last    uint64 `json:"last"`
	Cursor  uint64 `json:"cursor"`
}

func (i *imports) status() []importStatus {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []importStatus
	for _, f := range i.files {
		for _, h := range f.Held() {
			all = append(all, importStatus{filepath.Base(f.Path()), f.Counts().Entries, h.Journal.Name(), h.Last, f.cursor[h.Journal.Generation]})
		}
	}
	return all
}
