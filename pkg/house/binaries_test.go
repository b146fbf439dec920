package house

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bans are what a program must not link: folders of ours, and packages of
// others by the beginning of their import path.
var bans = map[string][]string{
	"cmd/calmsctl": {
		module + "/pkg/edge", module + "/pkg/cloud", module + "/pkg/store", module + "/pkg/seal",
		"github.com/mattn/go-sqlite3", "github.com/pressly/goose",
		"github.com/mochi-mqtt", "github.com/eclipse/paho", "github.com/simonvetter/modbus",
		"github.com/danielgtaylor/huma", "github.com/prometheus", "runtime/cgo",
	},
	"cmd/calms-edge": {
		module + "/pkg/cloud", module + "/pkg/escrow", module + "/pkg/facts",
		"github.com/mochi-mqtt", "github.com/danielgtaylor/huma", "filippo.io/age",
	},
	"cmd/calms-cloudd": {
		module + "/pkg/edge", "github.com/eclipse/paho", "github.com/simonvetter/modbus",
	},
}

func TestWhatProgramsLink(t *testing.T) {
	for program, banned := range bans {
		cgo := "CGO_ENABLED=1"
		if program == "cmd/calmsctl" {
			cgo = "CGO_ENABLED=0"
		}
		for _, path := range strings.Fields(string(goCommand(t, []string{cgo}, "list", "-deps", "./"+program))) {
			for _, b := range append([]string{"testing"}, banned...) {
				if path == b || strings.HasPrefix(path, b+"/") {
					t.Errorf("%s links %s: go list -deps ./%s says through whom", program, path, program)
				}
			}
			if ours, is := strings.CutPrefix(path, module+"/"); is && onlyTests(ours) {
				t.Errorf("%s links %s, which is for tests only", program, path)
			}
		}
	}
}

// TestCalmsctlHoldsNoSQL looks into the program: the table library names a few
// types of database/sql, and nothing must stay that opens a database.
func TestCalmsctlHoldsNoSQL(t *testing.T) {
	program := filepath.Join(t.TempDir(), "calmsctl")
	goCommand(t, []string{"CGO_ENABLED=0"}, "build", "-buildvcs=false", "-o", program, "./cmd/calmsctl")
	symbols := goCommand(t, nil, "tool", "nm", "-sort", "none", program)
	if !bytes.Contains(symbols, []byte("main.main")) {
		t.Fatal("the symbols of calmsctl cannot be read")
	}
	for line := range strings.Lines(string(symbols)) {
		for _, code := range []string{"database/sql.Open", "database/sql.Register", "database/sql.(*DB)", "database/sql.(*Tx)"} {
			if strings.Contains(line, code) {
				t.Errorf("calmsctl holds %s", strings.TrimSpace(line))
			}
		}
	}
}

// maxCalmsctl is how large calmsctl may be, stripped, on each platform.
const maxCalmsctl = 20_000_000 // bytes

func TestCalmsctlBuildsForEveryDesk(t *testing.T) {
	if testing.Short() {
		t.Skip("five builds")
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64", "linux/arm", "darwin/arm64", "windows/amd64"} {
		t.Run(platform, func(t *testing.T) {
			system, arch, _ := strings.Cut(platform, "/")
			program := build(t, "./cmd/calmsctl", "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch)
			info, err := os.Stat(program)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%.1f MB", float64(info.Size())/(1<<20))
			if info.Size() > maxCalmsctl {
				t.Errorf("it has %d bytes, at most %d are wanted: go list -deps ./cmd/calmsctl shows what it links", info.Size(), maxCalmsctl)
			}
		})
	}
}

func TestCalmsEdgeBuildsForEverySite(t *testing.T) {
	if testing.Short() {
		t.Skip("two builds, with SQLite")
	}
	for _, site := range []struct {
		arch, compiler string
		machine        elf.Machine
	}{
		{"arm64", "aarch64-linux-gnu-gcc", elf.EM_AARCH64},
		{"arm", "arm-linux-gnueabihf-gcc", elf.EM_ARM},
	} {
		t.Run(site.arch, func(t *testing.T) {
			if _, err := exec.LookPath(site.compiler); err != nil {
				t.Fatal("no cross compiler: make setup installs it")
			}
			program := build(t, "./cmd/calms-edge", "CGO_ENABLED=1", "GOOS=linux", "GOARCH="+site.arch, "GOARM=7", "CC="+site.compiler)
			file, err := elf.Open(program)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if file.Machine != site.machine {
				t.Errorf("it is a program for %s", file.Machine)
			}
		})
	}
}

// build builds a program as it is released.
func build(t *testing.T, folder string, env ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	goCommand(t, env, "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", program, folder)
	return program
}
