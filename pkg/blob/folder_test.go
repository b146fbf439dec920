package blob_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/blob/blobtest"
	"go.calms.com/calms/pkg/calms"
)

func folder(t *testing.T, dir string) *blob.Folder {
	t.Helper()
	f, err := blob.MakeFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFolder(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Bucket { return folder(t, t.TempDir()) })
}

func TestFolderIsPrivate(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "new", "repository")
	if err := folder(t, dir).Put(t.Context(), "packs/ab/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		}
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A mount that is missing must not fill the disk below it.
func TestMissingFolderIsNotMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mnt")
	if _, err := blob.OpenFolder(dir); calms.KindOf(err) != calms.KindUnreachable || calms.HintOf(err) == "" {
		t.Errorf("open gives %v", err)
	}
	f := folder(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, get := f.Get(t.Context(), "a")
	_, list := f.List(t.Context(), "")
	for what, err := range map[string]error{"put": f.Put(t.Context(), "a", nil), "get": get, "list": list} {
		if calms.KindOf(err) != calms.KindUnreachable {
			t.Errorf("%s gives %v", what, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder came back: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.OpenFolder(file); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("a file gives %v", err)
	}
}

func TestWhatKilledWritersLeftIsSwept(t *testing.T) {
	dir := t.TempDir()
	scratch := filepath.Join(dir, ".unfinished")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": 2 * time.Hour, "young": 0} {
		path := filepath.Join(scratch, name)
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, []byte("half"), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if infos, err := folder(t, dir).List(t.Context(), ""); err != nil || len(infos) != 0 {
		t.Errorf("half an object is visible: %v, %v", infos, err)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) != 1 || left[0].Name() != "young" {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestFullDiskLeavesNothingHalfWritten(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	f := folder(t, dir)
	block := make([]byte, 100<<10)
	stored := 0
	for ; stored < 100; stored++ {
		err := f.Put(t.Context(), fmt.Sprintf("packs/%03d", stored), block)
		if err == nil {
			continue
		}
		if calms.KindOf(err) != calms.KindUnavailable {
			t.Fatalf("a full disk gives %v (%s)", err, calms.KindOf(err))
		}
		break
	}
	infos, err := f.List(t.Context(), "")
	if err != nil || stored == 100 || len(infos) != stored {
		t.Fatalf("%d were stored, %d are visible, %v", stored, len(infos), err)
	}
	for _, info := range infos {
		if info.Size != int64(len(block)) {
			t.Errorf("%s has %d bytes", info.Name, info.Size)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".unfinished")); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	if err := os.Remove(filepath.Join(dir, infos[0].Name)); err != nil {
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), "packs/again", block); err != nil {
		t.Errorf("with space again: %v", err)
	}
}
