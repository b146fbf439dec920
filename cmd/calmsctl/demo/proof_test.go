package demo

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCompareFindsEveryKindOfFault(t *testing.T) {
	logged := map[string]series{"c": {1: 1, 2: 1, 3: 1}}
	for name, c := range map[string]struct {
		stored series
		want   verdict
	}{
		"exact":   {series{1: 1, 2: 1, 3: 1}, verdict{Served: 3, Stored: 3}},
		"missing": {series{1: 1, 3: 1}, verdict{Served: 3, Stored: 2, Missing: 1}},
		"doubled": {series{1: 1, 2: 2, 3: 1}, verdict{Served: 3, Stored: 4, Doubled: 1}},
		"foreign": {series{1: 1, 2: 1, 3: 1, 4: 1}, verdict{Served: 3, Stored: 4, Foreign: 1}},
	} {
		got := compare(logged, logged, map[string]series{"c": c.stored})
		if got != c.want || got.clean() != (name == "exact") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if compare(nil, nil, nil).clean() {
		t.Error("nothing served is taken for a proof")
	}
}

func TestReadLogAndExport(t *testing.T) {
	dir := t.TempDir()
	log, export := filepath.Join(dir, "log"), filepath.Join(dir, "export")
	cutoff := time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC)
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(log, `{"time":"2026-01-01T00:00:00Z","point":"flow","value":1.5}
{"time":"2026-01-01T00:00:02Z","point":"flow","value":2.5}
`)
	write(export, `{"channel":"a/b/c/air-flow","time":"2026-01-01T00:00:00Z","value":1.5,"quality":"good"}
{"channel":"a/b/c/air-flow","time":"2026-01-01T00:00:01Z","value":null,"quality":"bad:timeout"}
`)
	before, all := map[string]series{}, map[string]series{}
	if err := readLog(log, "a/b/c/air-", cutoff, before, all); err != nil {
		t.Fatal(err)
	}
	stored, err := readExport(export)
	if err != nil {
		t.Fatal(err)
	}
	if v := compare(before, all, stored); !v.clean() || v.Served != 1 || v.Stored != 1 {
		t.Errorf("%+v", v)
	}
	write(export, "no json\n")
	if _, err := readExport(export); err == nil {
		t.Error("a broken export was read")
	}
}
