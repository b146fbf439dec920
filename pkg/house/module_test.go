package house

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// modFile is what `go mod edit -json` tells of go.mod.
type modFile struct {
	Module  struct{ Path string }
	Go      string
	Require []struct {
		Path, Version string
		Indirect      bool
	}
	Replace, Exclude, Retract []any
}

func readModFile(t *testing.T) modFile {
	t.Helper()
	var mod modFile
	if err := json.Unmarshal(goCommand(t, nil, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	return mod
}

// TestModuleFile: what is built here is what everybody else builds.
func TestModuleFile(t *testing.T) {
	mod := readModFile(t)
	if mod.Module.Path != module {
		t.Errorf("the module is %q", mod.Module.Path)
	}
	if strings.Count(mod.Go, ".") != 2 {
		t.Errorf("go %s does not pin the toolchain to its last place", mod.Go)
	}
	if len(mod.Replace)+len(mod.Exclude)+len(mod.Retract) > 0 {
		t.Error("go.mod replaces, excludes or retracts something: whoever imports this module does not see that")
	}
	for _, r := range mod.Require {
		if strings.HasSuffix(r.Version, "+incompatible") {
			t.Errorf("%s %s has no go.mod of its own", r.Path, r.Version)
		}
		// What others require of commits is theirs; what we import has releases.
		if !r.Indirect && strings.Count(r.Version, "-") > 0 {
			t.Errorf("%s %s is no release", r.Path, r.Version)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "vendor")); err == nil {
		t.Error("there is a vendor folder beside go.mod")
	}
}

// TestRequirementsAreImported: a module that nothing imports any more is marked
// as indirect, or goes.
func TestRequirementsAreImported(t *testing.T) {
	direct := map[string]bool{}
	for _, r := range readModFile(t).Require {
		if !r.Indirect {
			direct[r.Path] = false
		}
	}
	for _, p := range own(t) {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for required := range direct {
				if path == required || strings.HasPrefix(path, required+"/") {
					direct[required] = true
				}
			}
		}
	}
	for required, imported := range direct {
		if !imported {
			t.Errorf("%s is required and nothing imports it: go mod tidy", required)
		}
	}
}
