package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/program"
)

func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, each := range cmd.Commands() {
		walk(each, f)
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	walk(newRoot(newApp()), func(cmd *cobra.Command) {
		if cmd.IsAdditionalHelpTopicCommand() {
			return
		}
		name := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short text %q", name, cmd.Short)
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.Contains(line, "calmsctl") {
				t.Errorf("%s: example %q does not call calmsctl", name, line)
			}
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example", name)
		}
		var help bytes.Buffer
		cmd.SetOut(&help)
		writeHelp(cmd, nil)
		if !cmd.HasSubCommands() && !strings.Contains(help.String(), "\nExit status:\n") {
			t.Errorf("%s: no exit status in its help:\n%s", name, help.String())
		}
		for line := range strings.Lines(cmd.Long) {
			if len([]rune(line)) > 92 {
				t.Errorf("%s: help line is too long: %q", name, line)
			}
		}
	})
}

// TestEveryKindHasAnExitCode keeps the table of exit codes whole.
func TestEveryKindHasAnExitCode(t *testing.T) {
	var listed []calms.Kind
	codes := map[int]bool{}
	for _, e := range exits() {
		listed = append(listed, e.kinds...)
		code := e.kinds[0].ExitCode()
		for _, k := range e.kinds {
			if k.ExitCode() != code {
				t.Errorf("%s stands on the line of exit code %d, and has %d", k, code, k.ExitCode())
			}
		}
		if codes[code] {
			t.Errorf("exit code %d has two lines", code)
		}
		codes[code] = true
	}
	for _, kind := range []calms.Kind{
		calms.KindInternal, calms.KindInvalid, calms.KindUnauthenticated, calms.KindForbidden, calms.KindNotFound, calms.KindConflict, calms.KindUnreachable,
		calms.KindTimeout, calms.KindUnavailable, calms.KindPending, calms.KindPartial, calms.KindUsage, calms.KindInterrupted,
	} {
		if !slices.Contains(listed, kind) {
			t.Errorf("kind %s is not in the table", kind)
		}
	}
}

func TestNoSecretInFlags(t *testing.T) {
	walk(newRoot(newApp()), func(cmd *cobra.Command) {
		for _, name := range []string{"key", "token", "secret", "password", "ticket"} {
			if cmd.Flags().Lookup(name) != nil || cmd.PersistentFlags().Lookup(name) != nil {
				t.Errorf("%s takes --%s: arguments are seen by every user of the machine", cmd.CommandPath(), name)
			}
		}
	})
}

// TestCompletionsAreFresh compares what is committed with what the program
// prints; go generate ./cmd/calmsctl renews it.
func TestCompletionsAreFresh(t *testing.T) {
	for i, file := range []string{"calmsctl.bash", "_calmsctl", "calmsctl.fish", "calmsctl.ps1"} {
		root := newRoot(newApp())
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs([]string{"completion", program.Shells()[i]})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("..", "..", "completions", file)
		committed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(committed, out.Bytes()) {
			t.Errorf("%s is stale: go generate ./cmd/calmsctl", path)
		}
	}
}

// TestDependencies holds what an engineer's laptop must not carry. The table
// package and its errors know the types of database/sql, of which the linker
// keeps nothing; nobody else may.
func TestDependencies(t *testing.T) {
	list, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}}: {{join .Imports \" \"}}", ".").Output()
	if err != nil {
		t.Fatal("go list: ", err)
	}
	for line := range strings.Lines(string(list)) {
		importer, imports, _ := strings.Cut(strings.TrimSpace(line), ": ")
		for _, banned := range []string{"go-sqlite3", "goose", "mqtt", "calms/pkg/edge", "calms/pkg/cloud", "calms/pkg/store"} {
			if strings.Contains(importer, banned) {
				t.Errorf("calmsctl links %s", importer)
			}
		}
		if slices.Contains(strings.Fields(imports), "database/sql") && !strings.HasPrefix(importer, "github.com/olekukonko/") {
			t.Errorf("%s imports database/sql", importer)
		}
	}
}

// TestInterrupt ends a tail as a user does.
func TestInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals")
	}
	work := t.TempDir()
	if err := os.Mkdir(filepath.Join(work, "api"), 0o700); err != nil {
		t.Fatal(err)
	}
	sample := `{"channel":"acme/ljubljana/comp-3/flow","time":"2026-08-01T12:00:00Z","value":412.5,"quality":"good"}`
	if err := os.WriteFile(filepath.Join(work, "api", "GET_v1_data_tail.json"), []byte(sample+"\n!hang\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("calmsctl", "data", "tail")
	cmd.Env = append(os.Environ(), cloudEnvironment(t, work)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.Contains(line, "412.5") {
		t.Errorf("the first line is %q, %v", line, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 130 || stderr.Len() > 0 {
		t.Errorf("it ended with %v and %q, want exit code 130 and silence", err, stderr.String())
	}
}

// BenchmarkVersion is the time of one start: at most 10 ms are wanted.
func BenchmarkVersion(b *testing.B) {
	for b.Loop() {
		if err := exec.Command("calmsctl", "version").Run(); err != nil {
			b.Fatal(err)
		}
	}
}
