package house

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// elsewhere are words that tie the repository to one machine or to one way of
// fetching modules. They are put together here, so that this file holds none.
var elsewhere = []string{
	"/wo" + "rk/", "/bash" + "_jobs",
	"proxy.go" + "lang.org", "sum.go" + "lang.org", "py" + "pi.org", "registry.np" + "mjs", "deb.deb" + "ian.org",
}

// skipped are folders that do not belong to the repository.
var skipped = []string{".git", "bin", "build"}

func TestNothingPointsElsewhere(t *testing.T) {
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains(skipped, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		files++
		return readForWords(t, path)
	})
	if err != nil || files < 100 {
		t.Errorf("%d files were read, %v", files, err)
	}
}

func readForWords(t *testing.T, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, word := range elsewhere {
		if at := bytes.Index(content, []byte(word)); at >= 0 {
			line := 1 + bytes.Count(content[:at], []byte("\n"))
			t.Errorf("%s:%d holds %q, which means something on one machine only", strings.TrimPrefix(path, root+string(filepath.Separator)), line, word)
		}
	}
	return nil
}
