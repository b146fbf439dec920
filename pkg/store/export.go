package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strings"

	"go.calms.com/calms/pkg/calms"
)

// An export is a database as text that does not depend on the engine: one JSON
// value per line.
//
//	{"format":"calms-export","version":1,"schema":7}
//	{"table":"things","columns":["name","size"]}
//	["a",1]
//	["b",null]
//	{"end":true,"tables":1,"rows":2,"sha256":"…"}
//
// Tables come in the order of their names, rows in the order of the primary
// key, so equal contents give equal bytes. The last line holds the SHA-256 of
// all bytes before it. Values are described at [appendValue].
const (
	exportFormat  = "calms-export"
	exportVersion = 1
)

// maxRecord bounds one line of an export, in bytes: what a reader must hold.
const maxRecord = 48 << 20

type exportHead struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Schema  int64  `json:"schema"`
}

type exportTable struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

type exportEnd struct {
	End    bool   `json:"end"`
	Tables int    `json:"tables"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// Summary says what an export holds.
type Summary struct {
	Schema int64 // version of the database's schema
	Tables int
	Rows   int64
}

// Export writes the whole database to w as it is at one moment; writers go on
// meanwhile. Functions in also run in the same transaction, after the export,
// so that what they read is of the same moment. Memory is bounded by the
// largest row. A long export keeps the WAL from being truncated.
func Export(ctx context.Context, db *DB, w io.Writer, also ...func(Tx) error) (Summary, error) {
	var summary Summary
	err := db.View(ctx, func(tx Tx) (err error) {
		if summary, err = exportTo(ctx, tx, w); err != nil {
			return err
		}
		for _, f := range also {
			if err := f(tx); err != nil {
				return err
			}
		}
		return nil
	})
	return summary, calms.Wrap("export database", err)
}

func exportTo(ctx context.Context, tx Tx, w io.Writer) (Summary, error) {
	schema, err := schemaVersion(ctx, tx)
	if err != nil {
		return Summary{}, err
	}
	tables, err := describe(ctx, tx)
	if err != nil {
		return Summary{}, err
	}
	x := &exporter{out: bufio.NewWriterSize(w, 64<<10), hash: sha256.New()}
	if err := x.object(exportHead{exportFormat, exportVersion, schema}); err != nil {
		return Summary{}, err
	}
	for _, table := range tables {
		if err := x.table(ctx, tx, table); err != nil {
			return Summary{}, fmt.Errorf("table %s: %w", table.name, err)
		}
	}
	return Summary{Schema: schema, Tables: len(tables), Rows: x.rows}, x.end(len(tables))
}

// exporter writes the lines of one export. Not for concurrent use.
type exporter struct {
	out  *bufio.Writer
	hash hash.Hash
	rows int64
	row  []byte // reused
}

func (x *exporter) line(text []byte) error {
	if len(text) > maxRecord {
		return calms.Errorf(calms.KindInvalid, "a row of %d bytes is too large to export, at most %d are allowed", len(text), maxRecord)
	}
	x.hash.Write(text)
	_, err := x.out.Write(text)
	return err
}

func (x *exporter) object(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return x.line(append(text, '\n'))
}

func (x *exporter) table(ctx context.Context, tx Tx, table tableShape) error {
	if err := x.object(exportTable{table.name, table.columns}); err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, table.selectSQL())
	if err != nil {
		return err
	}
	defer rows.Close()
	values := make([]any, len(table.columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := x.values(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (x *exporter) values(values []any) (err error) {
	if x.row, err = appendRow(x.row[:0], values); err != nil {
		return err
	}
	x.rows++
	return x.line(append(x.row, '\n'))
}

func (x *exporter) end(tables int) error {
	if err := x.object(exportEnd{true, tables, x.rows, hex.EncodeToString(x.hash.Sum(nil))}); err != nil {
		return err
	}
	return x.out.Flush()
}

// tableShape is what an export knows about a table.
type tableShape struct {
	name    string
	columns []string // as declared, without generated ones
	key     []string // columns of the primary key, in its order
}

// selectSQL reads the table in the order of its key. The plus signs take the
// declared types away, after which the driver passes values on as stored
// instead of making booleans and times of some.
func (s tableShape) selectSQL() string {
	order := s.key
	if len(order) == 0 {
		order = s.columns
	}
	return "SELECT +" + strings.Join(quoted(s.columns), ", +") + " FROM " + quote(s.name) + " ORDER BY " + strings.Join(quoted(order), ", ")
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = quote(name)
	}
	return out
}

// schemaVersion is the newest migration that was applied.
func schemaVersion(ctx context.Context, tx Tx) (version int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT MAX(version_id) FROM goose_db_version WHERE is_applied`).Scan(&version)
	return version, err
}

// describe lists the tables of the database by name, goose's excepted.
func describe(ctx context.Context, tx Tx) (tables []tableShape, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'goose_db_version' AND name NOT LIKE 'sqlite_stat%' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	names, err := scanColumn[string](rows)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name == "sqlite_sequence" {
			// goose makes one too, for its own table.
			if err := refuseSequences(ctx, tx); err != nil {
				return nil, err
			}
			continue
		}
		shape, err := describeTable(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		tables = append(tables, shape)
	}
	return tables, nil
}

// refuseSequences keeps numbers that the engine counts outside the tables from
// being lost: after an import they would start again.
func refuseSequences(ctx context.Context, tx Tx) error {
	var table string
	err := tx.QueryRowContext(ctx, `SELECT name FROM sqlite_sequence WHERE name <> 'goose_db_version'`).Scan(&table)
	if err == sql.ErrNoRows {
		return nil
	} else if err != nil {
		return err
	}
	return calms.Errorf(calms.KindInvalid, "table %s uses AUTOINCREMENT, whose counter no export holds", table)
}

func describeTable(ctx context.Context, tx Tx, name string) (tableShape, error) {
	shape := tableShape{name: name}
	var err error
	column := func(query string) (list []string) {
		if err != nil {
			return nil
		}
		var rows *sql.Rows
		if rows, err = tx.QueryContext(ctx, query, name); err == nil {
			list, err = scanColumn[string](rows)
		}
		return list
	}
	shape.columns = column(`SELECT name FROM pragma_table_info($1) ORDER BY cid`)
	shape.key = column(`SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk`)
	return shape, err
}

// scanColumn reads and closes rows of one column.
func scanColumn[T any](rows *sql.Rows) (list []T, err error) {
	defer rows.Close()
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}
