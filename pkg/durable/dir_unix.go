//go:build unix

package durable

import (
	"errors"
	"os"
)

// SyncDir puts the names in a directory on disk. fsync of a file covers its
// content only: without this a file just made, renamed or removed may be back
// to what it was after a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
