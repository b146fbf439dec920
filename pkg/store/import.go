package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.calms.com/calms/pkg/calms"
)

// Import fills an empty, migrated database from an export, in one transaction:
// all of it or nothing. It reads r to its end and checks the export's hash and
// counts before it commits. An export of a newer schema is refused, one of an
// older schema is taken where the tables and columns it has still exist.
//
// Errors are of [calms.KindInvalid] for an export that is damaged, cut off or
// does not fit, [calms.KindConflict] for a database that has rows already.
// Triggers do not fire.
func Import(ctx context.Context, db *DB, r io.Reader) (Summary, error) {
	var summary Summary
	err := db.Update(ctx, func(tx Tx) error {
		m := &importer{tx: tx, in: newLineReader(r)}
		if err := m.run(ctx); err != nil {
			return m.in.at(err)
		}
		summary = m.summary
		return nil
	})
	return summary, calms.Wrap("import database", err)
}

// importer reads one export. Not for concurrent use.
type importer struct {
	tx      Tx
	in      *lineReader
	tables  map[string]tableShape // of the database; those filled are taken out
	insert  *sql.Stmt             // of the table being filled; nil before the first
	columns int
	summary Summary
}

func (m *importer) run(ctx context.Context) error {
	if err := m.prepare(ctx); err != nil {
		return err
	}
	if err := m.head(ctx); err != nil {
		return err
	}
	restore, err := m.dropTriggers(ctx)
	if err != nil {
		return err
	}
	defer m.closeInsert()
	for done := false; !done; {
		if done, err = m.next(ctx); err != nil {
			return err
		}
	}
	return restore()
}

// prepare sees to it that there is nothing to overwrite, and has references
// between tables checked at the commit, as tables come by name.
func (m *importer) prepare(ctx context.Context) error {
	tables, err := describe(ctx, m.tx)
	if err != nil {
		return err
	}
	m.tables = map[string]tableShape{}
	for _, table := range tables {
		var rows bool
		if err := m.tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+quote(table.name)+")").Scan(&rows); err != nil {
			return err
		}
		if rows {
			return calms.Errorf(calms.KindConflict, "table %s is not empty", table.name).WithHint("import into a new database")
		}
		m.tables[table.name] = table
	}
	_, err = m.tx.ExecContext(ctx, "PRAGMA defer_foreign_keys=ON")
	return err
}

func (m *importer) head(ctx context.Context) error {
	line, err := m.in.next()
	if err != nil {
		return err
	}
	var head exportHead
	if err := json.Unmarshal(line, &head); err != nil || head.Format != exportFormat {
		return calms.Errorf(calms.KindInvalid, "this is not an export of a database")
	}
	if head.Version != exportVersion {
		return calms.Errorf(calms.KindInvalid, "export format version %d is not known, this program reads %d", head.Version, exportVersion).
			WithHint("use the program version that wrote it, or a newer one")
	}
	schema, err := schemaVersion(ctx, m.tx)
	if err != nil {
		return err
	}
	if head.Schema > schema {
		return calms.Errorf(calms.KindInvalid, "schema version %d is newer than this program's %d", head.Schema, schema).
			WithHint("use the program version that wrote it, or a newer one")
	}
	m.summary.Schema = head.Schema
	return nil
}

// dropTriggers takes the triggers away, for a trigger would repeat what the
// export already holds the result of; restore brings them back.
func (m *importer) dropTriggers(ctx context.Context) (restore func() error, err error) {
	rows, err := m.tx.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	names, err := scanColumn[string](rows)
	if err != nil {
		return nil, err
	}
	var statements []string
	for _, name := range names {
		var statement string
		if err := m.tx.QueryRowContext(ctx, `SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = $1`, name).Scan(&statement); err != nil {
			return nil, err
		}
		if _, err := m.tx.ExecContext(ctx, "DROP TRIGGER "+quote(name)); err != nil {
			return nil, err
		}
		statements = append(statements, statement)
	}
	return func() error {
		for _, statement := range statements {
			if _, err := m.tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// next takes one line and reports whether it was the last.
func (m *importer) next(ctx context.Context) (done bool, err error) {
	before := m.in.sum()
	line, err := m.in.next()
	if err != nil {
		return false, err
	}
	if line[0] == '[' {
		return false, m.row(ctx, line)
	}
	var object struct {
		exportTable
		exportEnd
	}
	if err := json.Unmarshal(line, &object); err != nil {
		return false, calms.Errorf(calms.KindInvalid, "%w", err)
	}
	if object.End {
		return true, m.end(object.exportEnd, before)
	}
	return false, m.table(ctx, object.exportTable)
}

func (m *importer) table(ctx context.Context, t exportTable) (err error) {
	shape, ok := m.tables[t.Table]
	if !ok {
		return calms.Errorf(calms.KindInvalid, "table %.60q does not exist here, or comes twice", t.Table)
	}
	delete(m.tables, t.Table)
	if len(t.Columns) == 0 {
		return calms.Errorf(calms.KindInvalid, "table %s has no columns", t.Table)
	}
	places := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		if !slices.Contains(shape.columns, column) || slices.Contains(t.Columns[:i], column) {
			return calms.Errorf(calms.KindInvalid, "column %.60q of table %s does not exist here, or comes twice", column, t.Table)
		}
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	m.closeInsert()
	m.columns = len(t.Columns)
	m.summary.Tables++
	m.insert, err = prepareContext(ctx, m.tx, "INSERT INTO "+quote(t.Table)+" ("+strings.Join(quoted(t.Columns), ", ")+") VALUES ("+strings.Join(places, ", ")+")")
	return err
}

// prepareContext prepares a statement where tx can, as transactions do.
func prepareContext(ctx context.Context, tx Tx, query string) (*sql.Stmt, error) {
	preparer, ok := tx.(interface {
		PrepareContext(context.Context, string) (*sql.Stmt, error)
	})
	if !ok {
		return nil, errors.New("statements cannot be prepared here")
	}
	return preparer.PrepareContext(ctx, query)
}

func (m *importer) closeInsert() {
	if m.insert != nil {
		m.insert.Close() // a statement that only the transaction would still hold
		m.insert = nil
	}
}

func (m *importer) row(ctx context.Context, line []byte) error {
	if m.insert == nil {
		return calms.Errorf(calms.KindInvalid, "a row comes before any table")
	}
	values, err := parseRow(line)
	if err != nil {
		return err
	}
	if len(values) != m.columns {
		return calms.Errorf(calms.KindInvalid, "the row has %d values, %d are needed", len(values), m.columns)
	}
	m.summary.Rows++
	_, err = m.insert.ExecContext(ctx, values...)
	return err
}

func (m *importer) end(end exportEnd, sum []byte) error {
	if end.Tables != m.summary.Tables || end.Rows != m.summary.Rows || end.SHA256 != hex.EncodeToString(sum) {
		return calms.Errorf(calms.KindInvalid, "the export is damaged: %d tables and %d rows with SHA-256 %x came, %d and %d with %.64s were written",
			m.summary.Tables, m.summary.Rows, sum, end.Tables, end.Rows, end.SHA256)
	}
	return m.in.drained()
}
