package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// skipped are folders that do not belong to the repository.
var skipped = []string{".git", "bin", "build"}

// eachFile calls f with every file of the repository.
func eachFile(t *testing.T, f func(path string, content []byte)) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains(skipped, entry.Name()) {
			return filepath.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		files++
		f(strings.TrimPrefix(path, root+string(filepath.Separator)), content)
		return err
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files were read, %v", files, err)
	}
}

var (
	testDefined = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	testNamed   = regexp.MustCompile("`(Test\\w+)`")
	filesLinked = regexp.MustCompile(`\]\(([\w./-]+)\)`)
)

// TestWhatDocumentsName: a proof that a document names exists, and a link leads
// somewhere.
func TestWhatDocumentsName(t *testing.T) {
	defined, named := map[string]bool{}, map[string]string{}
	eachFile(t, func(path string, content []byte) {
		switch filepath.Ext(path) {
		case ".go":
			for _, m := range testDefined.FindAllSubmatch(content, -1) {
				defined[string(m[1])] = true
			}
		case ".md":
			for _, m := range testNamed.FindAllSubmatch(content, -1) {
				named[string(m[1])] = path
			}
			for _, m := range filesLinked.FindAllSubmatch(content, -1) {
				if _, err := os.Stat(filepath.Join(root, filepath.Dir(path), string(m[1]))); err != nil {
					t.Errorf("%s links to %s: %v", path, m[1], err)
				}
			}
		}
	})
	for name, path := range named {
		if !defined[name] {
			t.Errorf("%s names %s, and there is no such test", path, name)
		}
	}
	if len(named) < 10 {
		t.Errorf("only %d tests are named", len(named))
	}
}
