package fleet

import (
	"context"
	"database/sql"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// table tells how one kind of thing is read.
type table[T any] struct {
	level calms.Level
	query string // SELECT … FROM …, without a condition
	noun  string // of calmsctl
	scan  func(scan func(...any) error) (T, error)
}

var (
	orgs = table[api.Org]{calms.LevelOrganisation, `SELECT id, path, created FROM organisations`, "org",
		func(scan func(...any) error) (o api.Org, err error) {
			err = scan(&o.ID, &o.Path, instant{&o.Created})
			return o, err
		}}
	sites = table[api.Site]{calms.LevelSite, `SELECT path, created FROM sites`, "site",
		func(scan func(...any) error) (s api.Site, err error) {
			err = scan(&s.Path, instant{&s.Created})
			return s, err
		}}
	devices = table[api.Device]{calms.LevelDevice, `SELECT id, path, shard, created, enrolled, seen FROM devices`, "device",
		func(scan func(...any) error) (d api.Device, err error) {
			err = scan(&d.ID, &d.Path, &d.Shard, instant{&d.Created}, maybe{&d.Enrolled}, maybe{&d.LastSeen})
			return d, err
		}}
	channels = table[api.Channel]{calms.LevelChannel, `SELECT path, unit, description, declared, created FROM channels`, "channel",
		func(scan func(...any) error) (c api.Channel, err error) {
			err = scan(&c.Path, &c.Unit, &c.Description, &c.Declared, instant{&c.Created})
			return c, err
		}}
)

// below selects what is at or below a path; see [bounds]. '0' is the character
// after '/', so the range holds exactly the paths that continue with a slash.
const below = ` WHERE ($1 = '' OR path = $1 OR (path > $2 AND path < $3)) ORDER BY path`

func bounds(prefix calms.Path) []any {
	return []any{string(prefix), string(prefix) + "/", string(prefix) + "0"}
}

// list is everything at or below prefix, ordered by path.
func (t table[T]) list(ctx context.Context, tx store.Tx, prefix calms.Path) ([]T, error) {
	if _, err := calms.ParsePath(string(prefix)); err != nil {
		return nil, err
	}
	return t.all(ctx, tx, below, bounds(prefix)...)
}

// get is the one thing at path.
func (t table[T]) get(ctx context.Context, tx store.Tx, path calms.Path) (T, error) {
	if _, err := calms.ParsePathAt(string(path), t.level); err != nil {
		return *new(T), err
	}
	found, err := t.all(ctx, tx, ` WHERE path = $1`, string(path))
	if err == nil && len(found) == 0 {
		err = calms.Errorf(calms.KindNotFound, "there is no %s %q", t.level, path).WithHint("calmsctl %s list", t.noun)
	}
	if err != nil {
		return *new(T), err
	}
	return found[0], nil
}

func (t table[T]) all(ctx context.Context, tx store.Tx, condition string, args ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, t.query+condition, args...)
	if err != nil {
		return nil, calms.Wrap("read "+t.level.String(), err)
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		thing, err := t.scan(rows.Scan)
		if err != nil {
			return nil, calms.Wrap("read "+t.level.String(), err)
		}
		found = append(found, thing)
	}
	return found, calms.Wrap("read "+t.level.String(), rows.Err())
}

// exists reports whether there is something at path.
func (t table[T]) exists(ctx context.Context, tx store.Tx, path calms.Path) (bool, error) {
	found, err := t.all(ctx, tx, ` WHERE path = $1`, string(path))
	return len(found) > 0, err
}

// vacant fails where there is something at path.
func (t table[T]) vacant(ctx context.Context, tx store.Tx, path calms.Path) error {
	if _, err := calms.ParsePathAt(string(path), t.level); err != nil {
		return err
	}
	if taken, err := t.exists(ctx, tx, path); err != nil || !taken {
		return err
	}
	return calms.Errorf(calms.KindConflict, "%s %q exists already", t.level, path).WithHint("calmsctl %s get %s", t.noun, path)
}

// barren fails where there is something below path; child reads the level below.
func barren[T any](ctx context.Context, tx store.Tx, path calms.Path, child table[T]) error {
	found, err := child.list(ctx, tx, path)
	if err != nil || len(found) == 0 {
		return err
	}
	return calms.Errorf(calms.KindConflict, "%q is not empty: %s below it: %d", path, child.level, len(found)).
		WithHint("delete what is below first: calmsctl %s list %s", child.noun, path)
}

// instant scans nanoseconds since 1970.
type instant struct{ to *time.Time }

// Scan implements [sql.Scanner].
func (i instant) Scan(value any) error {
	var n sql.NullInt64
	err := n.Scan(value)
	*i.to = time.Unix(0, n.Int64).UTC()
	return err
}

// maybe scans nanoseconds since 1970, or NULL.
type maybe struct{ to **time.Time }

// Scan implements [sql.Scanner].
func (m maybe) Scan(value any) error {
	if value == nil {
		*m.to = nil
		return nil
	}
	*m.to = new(time.Time)
	return instant{*m.to}.Scan(value)
}
