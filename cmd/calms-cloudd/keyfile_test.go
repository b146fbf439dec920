package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheRootKeyGoesIntoSnapshotsWhileItIsHere(t *testing.T) {
	from, to := keyFile{filepath.Join(t.TempDir(), "root.key")}, keyFile{filepath.Join(t.TempDir(), "root.key")}
	carry := func() {
		t.Helper()
		var export bytes.Buffer
		if _, err := from.Export(t.Context(), &export); err != nil {
			t.Fatal(err)
		}
		if _, err := to.Import(t.Context(), &export); err != nil {
			t.Fatal(err)
		}
	}
	carry()
	if _, err := os.Stat(to.path); !os.IsNotExist(err) {
		t.Errorf("a key that was taken away came back: %v", err)
	}
	if err := os.WriteFile(from.path, []byte("PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	carry()
	if key, err := os.ReadFile(to.path); err != nil || string(key) != "PEM" {
		t.Errorf("the key is %q, %v", key, err)
	}
	if info, err := os.Stat(to.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	for _, bad := range []string{"", "{", `{"version":2}`} {
		if _, err := to.Import(t.Context(), strings.NewReader(bad)); err == nil {
			t.Errorf("%q was imported", bad)
		}
	}
}
