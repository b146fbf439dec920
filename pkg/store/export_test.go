package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"go.calms.com/calms/pkg/calms"
)

const ledger = `
CREATE TABLE notes (id TEXT PRIMARY KEY, thing TEXT NOT NULL REFERENCES values_of_all_kinds (a), log BIGINT NOT NULL DEFAULT 0);
CREATE TABLE values_of_all_kinds (a TEXT NOT NULL, b BIGINT, c REAL, d BLOB, e TEXT, f BOOLEAN, g TIMESTAMP, "odd ""name" TEXT, PRIMARY KEY (a));
CREATE TABLE pairs (x BIGINT NOT NULL, y BIGINT NOT NULL, n BIGINT, PRIMARY KEY (y, x)) WITHOUT ROWID;
CREATE TABLE loose (x BIGINT, y TEXT);`

const trigger = `
-- +goose StatementBegin
CREATE TRIGGER count_notes AFTER INSERT ON notes BEGIN UPDATE notes SET log = log + 1 WHERE id = NEW.id; END;
-- +goose StatementEnd`

func openWith(t testing.TB, files fstest.MapFS) *DB {
	t.Helper()
	db, err := Open(context.Background(), filepath.Join(t.TempDir(), "x.db"), files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t testing.TB, db *DB, query string, args ...any) {
	t.Helper()
	err := db.Update(context.Background(), func(tx Tx) error {
		_, err := tx.ExecContext(context.Background(), query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func export(t testing.TB, db *DB) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := Export(context.Background(), db, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var allKinds = [][]any{
	{"extremes", int64(math.MinInt64), math.MaxFloat64, []byte{0, 255, '\n'}, "line\nline \"quoted\" <é> \u2028 \x00 end", int64(1), int64(1700000000), "x"},
	{"more", int64(math.MaxInt64), math.SmallestNonzeroFloat64, []byte{}, "", int64(0), "2026-11-22T00:00:00Z", nil},
	{"nulls", nil, nil, nil, nil, nil, nil, nil},
	{"odd", int64(1<<53 + 1), 0.1, bytes.Repeat([]byte{7}, 100_000), "not utf-8: \xff\xfe", int64(7), "text", "[1]"},
	{"infinite", "text in a number", math.Inf(-1), "text in a blob", []byte("blob in a text"), 0.5, 1e300, `{"b":""}`},
}

func fill(t testing.TB, db *DB) {
	t.Helper()
	for _, row := range allKinds {
		exec(t, db, `INSERT INTO values_of_all_kinds VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, row...)
	}
	exec(t, db, `INSERT INTO notes (id, thing) VALUES ('n1', 'odd'), ('n2', 'nulls')`)
	exec(t, db, `INSERT INTO pairs VALUES (2, 1, 10), (1, 2, 20), (1, 1, NULL)`)
	exec(t, db, `INSERT INTO loose VALUES (2, 'b'), (NULL, 'a'), (2, 'b')`)
}

func TestExportAndImportAreExact(t *testing.T) {
	from, to := openWith(t, migrations(OutboxSchema, ledger, trigger)), openWith(t, migrations(OutboxSchema, ledger, trigger))
	fill(t, from)
	text := export(t, from)
	if again := export(t, from); !bytes.Equal(text, again) {
		t.Error("two exports of the same contents differ")
	}
	summary, err := Import(t.Context(), to, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Summary{Schema: 3, Tables: 5, Rows: 13}); summary != want {
		t.Errorf("summary is %+v, want %+v", summary, want)
	}
	if copied := export(t, to); !bytes.Equal(text, copied) {
		t.Errorf("the copy's export differs:\n%.2000s\n%.2000s", text, copied)
	}
	if a, b := dump(t, from), dump(t, to); !reflect.DeepEqual(a, b) {
		t.Errorf("the copy differs:\n%v\n%v", a, b)
	}
	exec(t, to, `INSERT INTO notes (id, thing) VALUES ('n3', 'odd')`)
	var log int
	if err := to.Read().QueryRowContext(t.Context(), `SELECT log FROM notes WHERE id = 'n3'`).Scan(&log); err != nil || log != 1 {
		t.Errorf("the trigger is gone: %d, %v", log, err)
	}
}

// dump asks the engine itself what it stores and in which form.
func dump(t *testing.T, db *DB) (rows []string) {
	t.Helper()
	var columns []string
	for _, c := range []string{"a", "b", "c", "d", "e", "f", "g", `"odd ""name"`} {
		columns = append(columns, fmt.Sprintf("typeof(%[1]s) || ':' || quote(%[1]s)", c))
	}
	result, err := db.Read().QueryContext(t.Context(), "SELECT "+strings.Join(columns, "||','||")+" FROM values_of_all_kinds ORDER BY a")
	if err == nil {
		rows, err = scanColumn[string](result)
	}
	if err != nil || len(rows) != len(allKinds) {
		t.Fatal(rows, err)
	}
	return rows
}

func TestExportIsOneMomentWhileWritersGoOn(t *testing.T) {
	db := openWith(t, migrations(`CREATE TABLE accounts (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL); CREATE TABLE zlog (n BIGINT PRIMARY KEY);`))
	for i := range 200 {
		exec(t, db, `INSERT INTO accounts VALUES ($1, 100)`, i)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
				err := db.Update(context.Background(), func(tx Tx) error {
					_, a := tx.ExecContext(context.Background(), `UPDATE accounts SET amount = amount - 1 WHERE id = $1`, n%200)
					_, b := tx.ExecContext(context.Background(), `UPDATE accounts SET amount = amount + 1 WHERE id = $1`, (n*7+1)%200)
					_, c := tx.ExecContext(context.Background(), `INSERT INTO zlog VALUES ($1)`, n)
					return errors.Join(a, b, c)
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 5 {
		var text bytes.Buffer
		var sum, logged int64
		_, err := Export(t.Context(), db, &text, func(tx Tx) error {
			return tx.QueryRowContext(t.Context(), `SELECT SUM(amount), (SELECT COUNT(*) FROM zlog) FROM accounts`).Scan(&sum, &logged)
		})
		if err != nil || sum != 20_000 {
			t.Fatal(sum, err)
		}
		to := openWith(t, migrations(`CREATE TABLE accounts (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL); CREATE TABLE zlog (n BIGINT PRIMARY KEY);`))
		if _, err := Import(t.Context(), to, &text); err != nil {
			t.Fatal(err)
		}
		var sum2, logged2 int64
		if err := to.Read().QueryRowContext(t.Context(), `SELECT SUM(amount), (SELECT COUNT(*) FROM zlog) FROM accounts`).Scan(&sum2, &logged2); err != nil || sum2 != 20_000 || logged2 != logged {
			t.Errorf("the copy holds %d in %d steps, the export saw %d: %v", sum2, logged2, logged, err)
		}
	}
}

func TestOlderSchemaIsTakenAndNewerRefused(t *testing.T) {
	newer := []string{things, `ALTER TABLE things ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'; CREATE TABLE more (id BIGINT PRIMARY KEY);`}
	from := openWith(t, migrations(newer[:1]...))
	exec(t, from, `INSERT INTO things VALUES ('a', 1)`)
	to := openWith(t, migrations(newer...))
	if _, err := Import(t.Context(), to, bytes.NewReader(export(t, from))); err != nil {
		t.Fatal(err)
	}
	var colour string
	if err := to.Read().QueryRowContext(t.Context(), `SELECT colour FROM things`).Scan(&colour); err != nil || colour != "grey" {
		t.Errorf("the new column holds %q, %v", colour, err)
	}
	_, err := Import(t.Context(), openWith(t, migrations(newer[:1]...)), bytes.NewReader(export(t, to)))
	if err == nil || !strings.Contains(err.Error(), "schema version 2 is newer than this program's 1") || calms.HintOf(err) == "" {
		t.Errorf("a newer export gives %v", err)
	}
}

func TestImportRefusesAndLeavesNothing(t *testing.T) {
	from := openWith(t, migrations(ledger))
	fill(t, from)
	good := string(export(t, from))
	lines := strings.SplitAfter(good, "\n")
	for name, c := range map[string]struct{ text, want string }{
		"nothing":        {"", "line 1: the export is cut off"},
		"not an export":  {"{}\n", "not an export"},
		"newer format":   {strings.Replace(good, `"version":1`, `"version":2`, 1), "format version 2 is not known"},
		"cut at a line":  {strings.Join(lines[:4], ""), "cut off"},
		"cut in a line":  {good[:len(good)-3], "cut off"},
		"a lost row":     {strings.Replace(good, "[2,\"b\"]\n", "", 1), "the export is damaged"},
		"a changed byte": {strings.Replace(good, "quoted", "quotee", 1), "the export is damaged"},
		"a swapped pair": {strings.Replace(good, lines[2]+lines[3], lines[3]+lines[2], 1), "the export is damaged"},
		"more after it":  {good + "\n", "something follows"},
		"a short row":    {strings.Replace(good, `[2,"b"]`, `[2]`, 1), "1 values, 2 are needed"},
		"a row too soon": {lines[0] + "[1]\n", "before any table"},
		"foreign table":  {strings.Replace(good, `"table":"loose"`, `"table":"looser"`, 1), `"looser" does not exist here`},
		"a table twice":  {strings.Replace(good, `"table":"notes"`, `"table":"loose"`, 1), "comes twice"},
		"foreign column": {strings.Replace(good, `["x","y"]`, `["x","z"]`, 1), `"z" of table loose`},
		"column twice":   {strings.Replace(good, `["x","y"]`, `["x","x"]`, 1), "comes twice"},
		"an empty line":  {lines[0] + "\n", "line 2: the line is empty"},
		"wrong value":    {strings.Replace(good, `[2,"b"]`, `[true,"b"]`, 1), "value 1"},
	} {
		if c.text == good {
			t.Fatalf("%s: the case changes nothing", name)
		}
		to := openWith(t, migrations(ledger))
		empty := export(t, to)
		_, err := Import(t.Context(), to, strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%s: %v (%s), want %q", name, err, calms.KindOf(err), c.want)
		}
		if !bytes.Equal(export(t, to), empty) {
			t.Errorf("%s: something was left in the database", name)
		}
	}
}

func TestImportRefusesDanglingReferencesAndFullDatabases(t *testing.T) {
	to := openWith(t, migrations(ledger))
	body := `{"format":"calms-export","version":1,"schema":1}` + "\n" + `{"table":"notes","columns":["id","thing"]}` + "\n" + `["n","missing"]` + "\n"
	if _, err := Import(t.Context(), to, strings.NewReader(body+endLine(body, 1, 1))); err == nil || !strings.Contains(err.Error(), "FOREIGN KEY") {
		t.Errorf("a dangling reference gives %v", err)
	}
	fill(t, to)
	_, err := Import(t.Context(), to, bytes.NewReader(export(t, to)))
	if calms.KindOf(err) != calms.KindConflict || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a full database gives %v", err)
	}
}

func endLine(body string, tables, rows int) string {
	sum := sha256.Sum256([]byte(body))
	return fmt.Sprintf(`{"end":true,"tables":%d,"rows":%d,"sha256":"%s"}`+"\n", tables, rows, hex.EncodeToString(sum[:]))
}

func TestAutoincrementIsRefused(t *testing.T) {
	db := openWith(t, migrations(`CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT);`))
	exec(t, db, `INSERT INTO a DEFAULT VALUES`)
	if _, err := Export(t.Context(), db, io.Discard); err == nil || !strings.Contains(err.Error(), "AUTOINCREMENT") {
		t.Errorf("export gives %v", err)
	}
}

func TestExportReportsItsWriter(t *testing.T) {
	db := openWith(t, migrations(things))
	boom := errors.New("boom")
	r, w := io.Pipe()
	r.CloseWithError(boom)
	if _, err := Export(t.Context(), db, w); !errors.Is(err, boom) {
		t.Errorf("a broken writer gives %v", err)
	}
	if _, err := Export(t.Context(), db, io.Discard, func(Tx) error { return sql.ErrNoRows }); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("a failing addition gives %v", err)
	}
}

// Whatever a row's line says, reading, writing and reading it again gives the
// same values.
func FuzzParseRow(f *testing.F) {
	for _, row := range allKinds {
		line, err := appendRow(nil, row)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	for _, s := range []string{`[]`, `null`, `[1e5,-0.0,{"f":"+Inf"}]`, `[{"b":"!"}]`, `[{"b":"","t":""}]`, `[9223372036854775808]`, `[[1]]`, `[true]`, "[\"\xff\"]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		values, err := parseRow(line)
		if err != nil {
			return
		}
		written, err := appendRow(nil, values)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseRow(written)
		if err != nil {
			t.Fatalf("%s is not read back: %v", written, err)
		}
		rewritten, err := appendRow(nil, again)
		if err != nil || !bytes.Equal(written, rewritten) {
			t.Errorf("%s became %s, %v", written, rewritten, err)
		}
	})
}

// No text makes the importer do anything but refuse or import.
func FuzzImport(f *testing.F) {
	db := openWith(f, migrations(things))
	exec(f, db, `INSERT INTO things VALUES ('a', 1)`)
	f.Add(export(f, db))
	f.Add([]byte(`{"format":"calms-export","version":1,"schema":1}` + "\n[1]\n"))
	to := openWith(f, migrations(things))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Import(t.Context(), to, bytes.NewReader(text)); err == nil {
			exec(t, to, `DELETE FROM things`)
		}
	})
}
