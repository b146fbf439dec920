package identity

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

func open(t *testing.T, dir string) *Service {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// bootstrap returns the key, empty where there was an operator already.
func bootstrap(t *testing.T, s *Service) (key string) {
	t.Helper()
	if err := s.Bootstrap(t.Context(), func(k string) error { key = k; return nil }); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestFirstOperator(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "identity")
	s := open(t, dir)
	key := bootstrap(t, s)
	if !regexp.MustCompile(`^calms-op-[A-Za-z0-9_-]{43}$`).MatchString(key) {
		t.Fatalf("the key is %q", key)
	}
	if again := bootstrap(t, s); again != "" {
		t.Errorf("a second first operator: %q", again)
	}
	s.Close()
	s = open(t, dir)
	for _, k := range []string{key, " " + key + "\n"} {
		if op, err := s.Authenticate(t.Context(), k); err != nil || op.Name != "first" {
			t.Errorf("the key gives %v, %v", op, err)
		}
	}
	entries, err := store.Entries(t.Context(), s.DB().Read(), 0, 10)
	if err != nil || len(entries) != 1 || entries[0].Action != "operator.create" {
		t.Errorf("the outbox has %+v, %v", entries, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has %v, %v", info.Mode(), err)
	}
}

func TestWrongKeysAreRefusedWithAHint(t *testing.T) {
	s := open(t, t.TempDir())
	key := bootstrap(t, s)
	for _, k := range []string{"", "secret", key[:len(key)-1], newKey(), "calms-op-"} {
		op, err := s.Authenticate(t.Context(), k)
		if calms.KindOf(err) != calms.KindUnauthenticated || calms.HintOf(err) == "" || op.Name != "" {
			t.Errorf("%q gives %v, %v", k, op, err)
		}
		if len(k) > 20 && strings.Contains(err.Error(), k[9:]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

func TestAKeyThatWasNotKeptIsNoKey(t *testing.T) {
	s := open(t, t.TempDir())
	full := errors.New("the disk is full")
	var lost string
	if err := s.Bootstrap(t.Context(), func(k string) error { lost = k; return full }); !errors.Is(err, full) {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), lost); err == nil {
		t.Error("a key that was not kept works")
	}
	if bootstrap(t, s) == "" {
		t.Error("the next start makes no operator")
	}
}

func TestTheDatabaseDoesNotHoldTheKey(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	key := bootstrap(t, s)
	s.Close()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(key[len(keyPrefix):])) {
			t.Errorf("%s holds the key", file)
		}
	}
}
