package journal

import (
	"context"
	"errors"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// Inspect opens a journal file for reading, also while another process appends
// to it: it makes no file, begins no journal and repairs nothing. Do not append
// to what it returns.
func Inspect(ctx context.Context, path string, options Options) (*Journal, error) {
	if options.Limit == 0 {
		options.Limit = DefaultLimit
	}
	db, err := store.OpenPaged(ctx, path, Migrations(), store.SmallPages)
	if err != nil {
		return nil, calms.Wrap("inspect journal", err)
	}
	j := &Journal{db: db, options: options, marks: newMarks()}
	if err := j.load(ctx); err != nil {
		return nil, calms.Wrap("inspect journal", errors.Join(err, db.Close()))
	}
	return j, nil
}
