package endtoend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait. It is long: a loaded machine is no fault.
const patience = 90 * time.Second

// rig is one test's directory, in which programs run.
type rig struct {
	t   *testing.T
	dir string
	env []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes, for minutes")
	}
	// t.TempDir makes paths too long for the edge's socket.
	dir, err := os.MkdirTemp("", "calms-")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, env: append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "CALMS_NO_PROMPT=1")}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) file(names ...string) string {
	return filepath.Join(append([]string{r.dir}, names...)...)
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(name string) string {
	r.t.Helper()
	text, err := os.ReadFile(r.file(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// command is a line as one types it; words hold no spaces.
func (r *rig) command(format string, args ...any) *exec.Cmd {
	words := strings.Fields(fmt.Sprintf(format, args...))
	cmd := exec.Command(filepath.Join(programs, words[0]), words[1:]...)
	cmd.Dir, cmd.Env = r.dir, r.env
	return cmd
}

// try runs a command and returns what it printed and its exit status.
func (r *rig) try(format string, args ...any) (stdout, stderr string, code int) {
	r.t.Helper()
	cmd := r.command(format, args...)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return out.String(), diag.String(), cmd.ProcessState.ExitCode()
}

// run runs a command that must succeed.
func (r *rig) run(format string, args ...any) string {
	r.t.Helper()
	stdout, stderr, code := r.try(format, args...)
	if code != 0 {
		r.t.Fatalf("%s: exit status %d\n%s%s", fmt.Sprintf(format, args...), code, stdout, stderr)
	}
	return stdout
}

// refused runs a command that must fail, and wants words in what it says.
func (r *rig) refused(code int, words []string, format string, args ...any) {
	r.t.Helper()
	line := fmt.Sprintf(format, args...)
	stdout, stderr, got := r.try("%s", line)
	if got != code {
		r.t.Errorf("%s: exit status %d, want %d\n%s%s", line, got, code, stdout, stderr)
	}
	for _, word := range words {
		if !strings.Contains(stderr, word) {
			r.t.Errorf("%s: it does not say %q:\n%s", line, word, stderr)
		}
	}
}

// ask runs a command that prints JSON, and reports whether it succeeded.
func (r *rig) ask(into any, format string, args ...any) bool {
	r.t.Helper()
	stdout, _, code := r.try(format, args...)
	return code == 0 && json.Unmarshal([]byte(stdout), into) == nil
}

// await waits until something holds.
func (r *rig) await(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain until %s\n%s", what, r.tails())
		}
	}
}

// tail is the end of a program's log.
func (r *rig) tail(name string) string {
	text, err := os.ReadFile(r.file(name + ".log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Sprintf("the end of %s.log:\n%s\n", name, strings.Join(lines[max(0, len(lines)-15):], "\n"))
}

func (r *rig) tails() string {
	logs, _ := filepath.Glob(r.file("*.log")) // the pattern is good
	var all string
	for _, log := range logs {
		all += r.tail(strings.TrimSuffix(filepath.Base(log), ".log"))
	}
	return all
}

// freeAddress finds a loopback address for a listener that is killed and comes
// back. It lies below the ports that the kernel gives to outgoing connections:
// one of these could take the port in between, or connect to itself there.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}
