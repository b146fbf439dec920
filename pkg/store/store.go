// Package store opens the database of one service: connections, migrations and
// transactions. SQL above it stays portable between its dialects; today there
// is one, SQLite.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"

	"go.calms.com/calms/pkg/calms"
)

// Tx is one transaction, or anything else that answers SQL. Parameters are
// written $1, $2 … and numbered in the order in which they first appear: SQLite
// takes them for names and counts by appearance, PostgreSQL by number.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is the database of one service. All methods are safe for concurrent use;
// writers queue, readers never wait for them.
type DB struct {
	path   string
	reader *sql.DB
	writer *sql.DB
}

const (
	// LargePages suit blobs of some KiB that are read in long runs.
	LargePages = 16 << 10
	// SmallPages suit flash: a commit writes every page that it touches.
	SmallPages = 4 << 10
	// walLimit is the size to which a checkpoint truncates the WAL.
	walLimit = 64 << 20
	// readers bounds the connections that only read.
	readers = 4
)

// Open opens the SQLite database at path, makes it (mode 0600, [LargePages])
// where there is none, and brings it to the newest schema: migrations holds goose
// SQL files in the folder migrations, as a service embeds them. A database made
// by a newer program is refused. Every commit is on disk when it returns (WAL,
// synchronous=FULL).
func Open(ctx context.Context, path string, migrations fs.FS) (*DB, error) {
	return OpenPaged(ctx, path, migrations, LargePages)
}

// OpenPaged is [Open] with a page size for the file where it is made.
func OpenPaged(ctx context.Context, path string, migrations fs.FS, pageSize int) (*DB, error) {
	db, err := open(ctx, path, migrations, pageSize)
	if err != nil {
		return nil, calms.Wrap("open database "+filepath.Base(path), classify(err))
	}
	return db, nil
}

func open(ctx context.Context, path string, migrations fs.FS, pageSize int) (*DB, error) {
	if err := create(ctx, path, pageSize); err != nil {
		return nil, err
	}
	writer, err := sql.Open("sqlite3", dsn(path, "rwc"))
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	if err := migrate(ctx, writer, migrations); err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	reader, err := sql.Open("sqlite3", dsn(path, "rw")+"&_query_only=true")
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	reader.SetMaxOpenConns(readers)
	return &DB{path: path, reader: reader, writer: writer}, nil
}

// create makes an empty database at path, unless there is one.
func create(ctx context.Context, path string, pageSize int) error {
	// SQLite would make the file with the process's umask; its WAL takes our mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil || info.Size() > 0 {
		return err
	}
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		return err
	}
	// The page size is silently ignored once the file is in WAL mode.
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA page_size=%d; PRAGMA journal_mode=WAL", pageSize))
	return errors.Join(err, db.Close())
}

// dsn spells the options of one connection.
func dsn(path, mode string) string {
	options := url.Values{
		"mode":             {mode},
		"_journal_mode":    {"WAL"},
		"_synchronous":     {"FULL"},
		"_foreign_keys":    {"on"},
		"_busy_timeout":    {"10000"},
		"_txlock":          {"immediate"},
		"_secure_delete":   {"on"},
		"_stmt_cache_size": {"64"},
	}
	if mode == "rw" {
		options.Set("_txlock", "deferred")
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}).String()
}

func migrate(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA journal_size_limit=%d", walLimit)); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return calms.Errorf(calms.KindInvalid, "schema version %d is newer than this program's %d", current, target).
			WithHint("run the program version that wrote it, or a newer one")
	}
	_, err = provider.Up(ctx)
	return err
}

// Path is the database file.
func (d *DB) Path() string { return d.path }

// Size is what the database takes on disk, in bytes, its log left out.
func (d *DB) Size(ctx context.Context) (bytes int64, err error) {
	err = d.reader.QueryRowContext(ctx, `SELECT c.page_count * s.page_size FROM pragma_page_count c, pragma_page_size s`).Scan(&bytes)
	return bytes, classify(err)
}

// Close waits for running transactions and closes all connections.
func (d *DB) Close() error {
	return errors.Join(d.reader.Close(), d.writer.Close())
}

// Read answers queries outside a transaction; it refuses to write.
func (d *DB) Read() Tx { return d.reader }

// View runs f in a read transaction: all its queries see one moment.
func (d *DB) View(ctx context.Context, f func(Tx) error) error {
	tx, err := d.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return classify(err)
	}
	defer tx.Rollback() // nothing to undo in a read
	return classify(f(tx))
}

// Update runs f in a write transaction and commits it durably, or does nothing
// where f or the commit fails. Writers run one after another.
func (d *DB) Update(ctx context.Context, f func(Tx) error) error {
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return classify(err)
	}
	defer tx.Rollback() // does nothing after a commit
	if err := f(tx); err != nil {
		return classify(err)
	}
	return classify(tx.Commit())
}

// ErrFull is in the chain of errors that come from a full disk.
var ErrFull = errors.New("the disk is full")

// ErrDamaged is in the chain of errors that come from a file that is no intact
// database.
var ErrDamaged = errors.New("the database file is damaged")

// classify gives errors of the engine the project's meaning; others stay.
func classify(err error) error {
	var engine sqlite3.Error
	if !errors.As(err, &engine) {
		return err
	}
	switch engine.Code {
	case sqlite3.ErrFull:
		return fmt.Errorf("%w (%w)", ErrFull, err)
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	case sqlite3.ErrIoErr:
		// SQLite reports some full disks as I/O errors of the write.
		if engine.SystemErrno == syscall.ENOSPC {
			return fmt.Errorf("%w (%w)", ErrFull, err)
		}
	case sqlite3.ErrConstraint:
		if engine.ExtendedCode == sqlite3.ErrConstraintUnique || engine.ExtendedCode == sqlite3.ErrConstraintPrimaryKey {
			return calms.Errorf(calms.KindConflict, "it exists already: %w", err)
		}
	}
	return err
}
