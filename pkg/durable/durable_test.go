//go:build unix

package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// The test binary is also the process that is killed, traced or holds a lock.
const childEnv = "DURABLE_TEST_CHILD"

func TestMain(m *testing.M) {
	dir := os.Getenv("DURABLE_TEST_DIR")
	switch os.Getenv(childEnv) {
	case "rewrite":
		rewriteForever(filepath.Join(dir, "file"))
	case "write":
		if err := WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o600); err != nil {
			panic(err)
		}
	case "stdout":
		streamToStdout()
	case "hold":
		holdLock(dir)
	default:
		os.Exit(m.Run())
	}
}

func child(t *testing.T, what, dir string, wrapper ...string) *exec.Cmd {
	args := append(wrapper, os.Args[0])
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+what, "DURABLE_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, c := range []struct {
		data string
		perm fs.FileMode
	}{{"first, longer", 0o644}, {"second", 0o600}, {"", 0o666}} {
		if err := WriteFile(path, []byte(c.data), c.perm); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != c.perm {
			t.Errorf("mode is %v, %v, want %v", info.Mode(), err, c.perm)
		}
		if got, _ := os.ReadFile(path); string(got) != c.data {
			t.Errorf("content is %q, want %q", got, c.data)
		}
	}
	onlyFile(t, path)
}

func TestWriteFileFails(t *testing.T) {
	if err := WriteFile(filepath.Join(t.TempDir(), "none", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a missing directory: %v", err)
	}
	// A directory with something in it cannot be replaced by a file.
	path := filepath.Join(t.TempDir(), "file")
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("x"), 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	onlyFile(t, path)
}

// onlyFile checks that no temporary file was left beside path.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 1 || names[0].Name() != filepath.Base(path) {
		t.Errorf("the directory holds %v, %v", names, err)
	}
}

const rewriteSize = 256 << 10

func rewriteForever(path string) {
	for i := byte(0); ; i++ {
		if err := WriteFile(path, bytes.Repeat([]byte{'a' + i%26}, rewriteSize), 0o600); err != nil {
			panic(err)
		}
	}
}

func TestKilledWriterLeavesWholeFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for range 10 {
		_ = os.Remove(path)
		cmd := child(t, "rewrite", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { _, err := os.Stat(path); return err == nil })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		got, err := os.ReadFile(path)
		if err != nil || len(got) != rewriteSize || bytes.Count(got, got[:1]) != rewriteSize {
			t.Fatalf("after a kill the file has %d bytes of more than one write, %v", len(got), err)
		}
	}
}

// A power cut cannot be had here; the order of the system calls, which decides
// what it leaves, can be seen.
func TestWriteFileOrder(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is not installed: make setup")
	}
	dir := t.TempDir()
	trace := filepath.Join(t.TempDir(), "trace")
	calls := "trace=openat,fchmod,write,fsync,close,rename,renameat,renameat2"
	if err := child(t, "write", dir, strace, "-f", "-y", "-o", trace, "-e", calls).Run(); err != nil {
		t.Fatalf("strace does not work here: %v", err)
	}
	got, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	temp := `[^\n]*` + regexp.QuoteMeta(filepath.Join(dir, ".file.tmp-"))
	order := regexp.MustCompile(`(?s)openat\(` + temp + `.*fchmod\(` + temp + `.*write\(` + temp + `[^\n]*content` +
		`.*fsync\(` + temp + `.*rename[at2]*\(` + temp + `.*fsync\(\d+<` + regexp.QuoteMeta(dir) + `>\)`)
	if !order.Match(got) {
		t.Errorf("no create, chmod, write, fsync, rename, fsync of the directory in this order in:\n%s", got)
	}
}

func holdLock(dir string) {
	if _, err := Lock(dir); err != nil {
		panic(err)
	}
	os.Stdout.WriteString("held\n")
	time.Sleep(time.Minute)
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "hold", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}

	_, err = Lock(dir)
	if calms.KindOf(err) != calms.KindConflict || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)) || calms.HintOf(err) == "" {
		t.Errorf("second lock: %v (%s)", err, calms.KindOf(err))
	}

	_ = cmd.Process.Kill() // the lock goes with its process
	_ = cmd.Wait()
	held, err := Lock(dir)
	if err != nil {
		t.Fatalf("lock after the holder was killed: %v", err)
	}
	if _, err := Lock(dir); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("second lock in the same process: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if again, err := Lock(dir); err != nil {
		t.Errorf("lock after close: %v", err)
	} else {
		again.Close()
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}
