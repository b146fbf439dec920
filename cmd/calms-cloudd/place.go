package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
)

// The names in a data directory beside the services' databases.
const (
	operatorName   = "operator.yaml"    // the first operator's key
	recoveryName   = "recovery.yaml"    // the secret of a recovery; while one runs
	restoringName  = "restoring"        // stands from the beginning of a restore to its end
	addressesFile  = "addresses.json"   // what a restore brought back, see addressFile
	incompleteName = "facts-incomplete" // a restore could not read every fact
	runName        = "run"              // what lives as long as the process
	lockName       = "lock"
)

// place is a data directory that this process alone has.
type place struct {
	dir  string
	lock *durable.DirLock
}

// takePlace takes the data directory dir and makes it (0700) where there is
// none.
func takePlace(dir string) (*place, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "make data directory: %w", err).WithHint("name another one with --data")
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, calms.Wrap("open data directory", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, calms.Errorf(calms.KindInvalid, "others may enter the data directory %s, which holds keys", dir).WithHint("chmod 700 %s", dir)
	}
	lock, err := durable.Lock(dir)
	if err != nil {
		return nil, err
	}
	return &place{dir, lock}, nil
}

// path is a name in the data directory.
func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// close gives the directory free.
func (p *place) close() error { return p.lock.Close() }

func (p *place) has(name string) bool {
	_, err := os.Lstat(p.path(name))
	return err == nil
}

// ordinary refuses to serve from what a restore has not finished.
func (p *place) ordinary() error {
	if p.has(restoringName) {
		return calms.Errorf(calms.KindConflict, "a restore into %s did not come to its end", p.dir).
			WithHint("%s serve --recover --data %s --repository FOLDER starts it over", self().Name, p.dir)
	}
	return nil
}

// vacate makes the directory ready for a restore. It must be empty, or hold
// nothing but what an earlier restore left, which is removed.
func (p *place) vacate() error {
	names, err := p.names()
	if err != nil {
		return calms.Wrap("look into data directory", err)
	}
	if len(names) > 0 && !slices.Contains(names, restoringName) {
		return calms.Errorf(calms.KindConflict, "the data directory %s is not empty: it holds %s", p.dir, names[0]).
			WithHint("restore into a new directory: --data DIR")
	}
	// The marker goes last and comes first: between them whatever else is here
	// was put here by a restore.
	if err := os.MkdirAll(p.path(restoringName), 0o700); err != nil {
		return calms.Wrap("begin restore", err)
	}
	if err := durable.SyncDir(p.dir); err != nil {
		return calms.Wrap("begin restore", err)
	}
	for _, name := range names {
		if name == restoringName {
			err = emptyDir(p.path(name))
		} else {
			err = os.RemoveAll(p.path(name))
		}
		if err != nil {
			return calms.Wrap("begin restore", err)
		}
	}
	return nil
}

// names lists what is in the directory, without what every start makes.
func (p *place) names() ([]string, error) {
	entries, err := os.ReadDir(p.dir)
	var names []string
	for _, e := range entries {
		if name := e.Name(); name != lockName && name != runName && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	return names, err
}

// restored ends a restore: everything is in its place.
func (p *place) restored() error {
	err := os.Remove(p.path(recoveryName))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, durable.SyncDir(p.dir), os.RemoveAll(p.path(restoringName)), durable.SyncDir(p.dir))
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
