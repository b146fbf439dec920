//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"go.calms.com/calms/pkg/calms"
)

func create(t *testing.T, path, text string) *Output {
	t.Helper()
	out, err := Create(path, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return out
}

func commit(t *testing.T, path, text string) {
	t.Helper()
	if err := create(t, path, text).Commit(); err != nil {
		t.Fatal(err)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v, want %q", path, got, err, want)
	}
}

func TestOutputReplacesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	commit(t, path, "old")
	out := create(t, path, "new")
	wantFile(t, path, "old")
	if err := out.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := out.Abort(); err != nil {
		t.Errorf("abort after commit: %v", err)
	}
	wantFile(t, path, "new")
	if info, _ := os.Stat(path); info.Mode() != 0o640 {
		t.Errorf("mode is %v", info.Mode())
	}
	if err := create(t, path, "unwanted").Abort(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "new")
	onlyFile(t, path)
}

func TestLinksAreFollowed(t *testing.T) {
	write := map[string]func(path string){
		"Create":    func(path string) { commit(t, path, "new") },
		"WriteFile": func(path string) { _ = WriteFile(path, []byte("new"), 0o600) },
	}
	for name, write := range write {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			deep := filepath.Join(dir, "a", "b")
			_ = os.MkdirAll(deep, 0o700)
			// ".." counts from where the linked directory is.
			for link, to := range map[string]string{"first": "beside", "beside": "short/../file", "short": "a/b"} {
				if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // first missing, then there
				write(filepath.Join(dir, "first"))
				wantFile(t, filepath.Join(dir, "a", "file"), "new")
				if _, err := os.Readlink(filepath.Join(dir, "beside")); err != nil {
					t.Errorf("the link was replaced: %v", err)
				}
			}
		})
	}
	loop := filepath.Join(t.TempDir(), "loop")
	_ = os.Symlink("loop", loop)
	if _, err := Create(loop, 0o600); err == nil {
		t.Error("a loop of links was followed")
	}
}

func TestNamedPipeIsWrittenTo(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(unix.Mkfifo(pipe, 0o600), os.Symlink("pipe", link)); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, nil, 0o600); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("WriteFile to a pipe: %v", err)
	}
	for _, path := range []string{pipe, link} {
		got := make(chan []byte, 1)
		go func() {
			text, _ := os.ReadFile(pipe)
			got <- text
		}()
		commit(t, path, "through")
		if text := <-got; string(text) != "through" {
			t.Errorf("read %q", text)
		}
		if info, err := os.Stat(pipe); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
			t.Fatalf("the pipe became %v, %v", info.Mode(), err)
		}
	}
}

func TestDevicesAreNotReplaced(t *testing.T) {
	// A link, so that a mistake costs the link and not the machine's device.
	path := filepath.Join(t.TempDir(), "null")
	if err := os.Symlink("/dev/null", path); err != nil {
		t.Fatal(err)
	}
	commit(t, path, "gone")
	if err := WriteFile(path, nil, 0o600); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("WriteFile to a device: %v", err)
	}
	if to, err := os.Readlink(path); err != nil || to != "/dev/null" {
		t.Errorf("the link became %q, %v", to, err)
	}
	if _, err := Create(t.TempDir(), 0o600); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("Create of a directory: %v", err)
	}
}

func TestStandardOutputKeepsWhatItHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	cmd := child(t, "stdout", "")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout = f
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "before, stream, after")
	onlyFile(t, path)
}

func streamToStdout() {
	os.Stdout.WriteString("before, ")
	out, err := Create("/dev/stdout", 0o600)
	if err != nil {
		panic(err)
	}
	if _, err := out.Write([]byte("stream, ")); err != nil {
		panic(err)
	}
	if err := out.Commit(); err != nil || !out.Standard() {
		panic(err)
	}
	os.Stdout.WriteString("after")
}
