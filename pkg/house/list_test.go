package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "go.calms.com/calms"

// root is the repository, as tests run in their package's folder.
var root = filepath.Join("..", "..")

// pkg is what `go list -json` tells of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Doc          string
	Standard     bool
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Module       *struct{ Path string }
}

// ours reports whether a package is of this repository.
func (p pkg) ours() bool { return p.Module != nil && p.Module.Path == module }

// path is the package's folder in the repository.
func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// goCommand runs the go command in the repository and returns its output.
func goCommand(t testing.TB, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

func list(t testing.TB, args ...string) []pkg {
	t.Helper()
	out := goCommand(t, nil, append([]string{"list", "-json=ImportPath,Dir,Name,Doc,Standard,GoFiles,Imports,TestImports,XTestImports,Module", "-tags", "crashpoints"}, args...)...)
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

var closure struct {
	once sync.Once
	all  []pkg
}

// everything lists the packages of this repository and all that they need. A
// leftover that is not committed is listed too.
func everything(t testing.TB) []pkg {
	t.Helper()
	closure.once.Do(func() { closure.all = list(t, "-deps", "./...") })
	if len(closure.all) == 0 {
		t.Fatal("the packages cannot be listed")
	}
	return closure.all
}

// own lists the packages of this repository.
func own(t testing.TB) []pkg {
	t.Helper()
	var ours []pkg
	for _, p := range everything(t) {
		if p.ours() {
			ours = append(ours, p)
		}
	}
	return ours
}
