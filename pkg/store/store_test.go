package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"go.calms.com/calms/pkg/calms"
)

func migrations(versions ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for i, sql := range versions {
		files[fmt.Sprintf("migrations/%05d_v.sql", i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)}
	}
	return files
}

const things = `CREATE TABLE things (name TEXT PRIMARY KEY, size BIGINT NOT NULL);`

func open2(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, migrations(OutboxSchema, things))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestOpenSetsWhatDurabilityNeeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open2(t, path)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "page_size": "16384", "foreign_keys": "1"} {
		for _, conn := range []Tx{db.reader, db.writer} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
			}
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if _, err := db.Read().ExecContext(t.Context(), "DELETE FROM things"); err == nil {
		t.Error("a reader could write")
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	db := open2(t, filepath.Join(t.TempDir(), "x.db"))
	boom := errors.New("boom")
	insert := func(name string, fail error) error {
		return db.Update(WithActor(t.Context(), "operator:test"), func(tx Tx) error {
			if _, err := tx.ExecContext(t.Context(), "INSERT INTO things VALUES ($1, 1)", name); err != nil {
				return err
			}
			if err := Record(WithActor(t.Context(), "operator:test"), tx, "thing.create", name, map[string]any{"size": 1}); err != nil {
				return err
			}
			return fail
		})
	}
	if err := insert("a", nil); err != nil {
		t.Fatal(err)
	}
	if err := insert("b", boom); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if err := insert("a", nil); calms.KindOf(err) != calms.KindConflict {
		t.Fatalf("a double name gives %v", err)
	}
	if err := insert("c", nil); err != nil {
		t.Fatal(err)
	}
	err := db.View(t.Context(), func(tx Tx) error {
		entries, err := Entries(t.Context(), tx, 0, 10)
		if err != nil {
			return err
		}
		if len(entries) != 2 || entries[0].Number != 1 || entries[1].Number != 2 || entries[1].Subject != "c" || entries[1].Actor != "operator:test" {
			t.Errorf("the outbox has %+v", entries)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWritersQueueAndReadersSeeOneMoment(t *testing.T) {
	db := open2(t, filepath.Join(t.TempDir(), "x.db"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				err := db.Update(t.Context(), func(tx Tx) error {
					_, err := tx.ExecContext(t.Context(), "INSERT INTO things VALUES ($1, 1)", fmt.Sprint(i, "-", j))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	count := func(tx Tx) (n int) {
		if err := tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM things").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	err := db.View(t.Context(), func(tx Tx) error {
		before := count(tx)
		wg.Wait()
		if after := count(tx); after != before {
			t.Errorf("a view saw %d, then %d", before, after)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(db.Read()); n != 160 {
		t.Errorf("%d rows", n)
	}
}

func TestNewerAndDamagedFilesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	open2(t, path).Close()
	_, err := Open(context.Background(), path, migrations(OutboxSchema))
	if err == nil || !strings.Contains(err.Error(), "schema version 2 is newer than this program's 1") || calms.HintOf(err) == "" {
		t.Errorf("a newer file gives %v", err)
	}
	garbage := filepath.Join(t.TempDir(), "y.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), garbage, migrations(OutboxSchema)); !errors.Is(err, ErrDamaged) {
		t.Errorf("garbage gives %v", err)
	}
}
