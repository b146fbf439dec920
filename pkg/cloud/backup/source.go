package backup

import (
	"context"
	"io"

	"go.calms.com/calms/pkg/store"
)

// Source is a service whose data goes into snapshots.
type Source interface {
	// Name is the service's name in manifests; it never changes.
	Name() string
	// Export writes the service's data of one moment to w, in an order that
	// changes as little as the data does, one record per line.
	Export(ctx context.Context, w io.Writer) (Exported, error)
	// Import fills the service's empty database from r, read to its end. It
	// returns the number of rows.
	Import(ctx context.Context, r io.Reader) (rows int64, err error)
}

// Exported says what an export holds.
type Exported struct {
	Schema int64
	Rows   int64
	Marks  map[string]string // whatever the service wants to know again once the snapshot is complete; no secret
}

// Database is the Source of a service that keeps everything in its database.
// Marks, which may be nil, runs in the export's own transaction: what it reads
// is exactly what the snapshot holds.
func Database(name string, db *store.DB, marks func(context.Context, store.Tx) (map[string]string, error)) Source {
	return database{name, db, marks}
}

type database struct {
	name  string
	db    *store.DB
	marks func(context.Context, store.Tx) (map[string]string, error)
}

func (d database) Name() string { return d.name }

func (d database) Export(ctx context.Context, w io.Writer) (Exported, error) {
	var marks map[string]string
	summary, err := store.Export(ctx, d.db, w, func(tx store.Tx) (err error) {
		if d.marks != nil {
			marks, err = d.marks(ctx, tx)
		}
		return err
	})
	return Exported{Schema: summary.Schema, Rows: summary.Rows, Marks: marks}, err
}

func (d database) Import(ctx context.Context, r io.Reader) (int64, error) {
	summary, err := store.Import(ctx, d.db, r)
	return summary.Rows, err
}
