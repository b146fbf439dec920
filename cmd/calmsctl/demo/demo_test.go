package demo

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.calms.com/calms/pkg/calms"
)

func TestNewDir(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "a", "b")
	for range 2 { // made, and then there and empty
		if dir, err := newDir(missing); err != nil || dir != missing {
			t.Fatalf("newDir = %q, %v", dir, err)
		}
	}
	if _, err := os.Stat(missing); err != nil {
		t.Error(err)
	}
}

// TestRunLeavesOthersAlone: the story removes the cloud's directory.
func TestRunLeavesOthersAlone(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{"calmsctl", "calms-cloudd", "calms-edge"} {
		if err := os.WriteFile(program(bin, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	kept := filepath.Join(dir, "cloud", "kept")
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), Options{Bin: bin, Dir: dir, Out: io.Discard})
	if calms.KindOf(err) != calms.KindConflict || calms.HintOf(err) == "" {
		t.Errorf("in a directory with a cloud: %v (%s)", err, calms.KindOf(err))
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("the directory holds %v", names)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}
