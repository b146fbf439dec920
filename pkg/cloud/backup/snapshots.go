package backup

import (
	"context"
	"encoding/json"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// snapshot is a row of the table of snapshots.
type snapshot struct {
	id        string
	number    int64
	state     string
	started   time.Time
	finished  time.Time // zero while it runs
	size      int64
	stored    int64
	services  []share
	failure   string
	announced bool
}

// share is one service's part, as kept in the table.
type share struct {
	api.SnapshotService
	Marks map[string]string `json:"marks,omitempty"`
}

const snapshotColumns = `id, number, state, started, finished, size, stored, services, error, announced`

// nanos is the time in databases: nanoseconds since 1970, 0 for none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func saveSnapshot(ctx context.Context, tx store.Tx, s snapshot) error {
	services, err := json.Marshal(s.services)
	if err != nil {
		return err
	}
	announced := 0
	if s.announced {
		announced = 1
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO snapshots (`+snapshotColumns+`, verified, problems) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0)
		ON CONFLICT (id) DO UPDATE SET number = excluded.number, state = excluded.state, finished = excluded.finished, size = excluded.size,
			stored = excluded.stored, services = excluded.services, error = excluded.error, announced = excluded.announced`,
		s.id, s.number, s.state, nanos(s.started), nanos(s.finished), s.size, s.stored, string(services), s.failure, announced)
	return err
}

// snapshots reads the rows that a condition chooses, newest first.
func snapshots(ctx context.Context, tx store.Tx, where string, args ...any) (list []snapshot, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+snapshotColumns+` FROM snapshots WHERE `+where+` ORDER BY started DESC, id DESC`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s snapshot
		var started, finished, announced int64
		var services string
		if err := rows.Scan(&s.id, &s.number, &s.state, &started, &finished, &s.size, &s.stored, &services, &s.failure, &announced); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(services), &s.services); err != nil {
			return nil, err
		}
		s.started, s.finished, s.announced = fromNanos(started), fromNanos(finished), announced != 0
		list = append(list, s)
	}
	return list, rows.Err()
}

// newest reads the newest row that a condition chooses; nil when there is none.
func newest(ctx context.Context, tx store.Tx, where string, args ...any) (*snapshot, error) {
	list, err := snapshots(ctx, tx, where, args...)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// failInterrupted gives the snapshots of a process that died their true state.
func failInterrupted(ctx context.Context, db *store.DB) error {
	return db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE snapshots SET state = 'failed', finished = started,
			error = 'interrupted: the daemon stopped meanwhile; the next snapshot goes on from what was stored' WHERE state = 'running'`)
		return err
	})
}

func (s snapshot) shown() api.Snapshot {
	shown := api.Snapshot{ID: s.id, Time: s.started, State: s.state, Error: s.failure, Bytes: s.size, Stored: s.stored}
	for _, share := range s.services {
		shown.Services = append(shown.Services, share.SnapshotService)
	}
	switch {
	case s.state == api.SnapshotRunning:
		shown.Duration = time.Since(s.started).Seconds()
	case !s.finished.IsZero():
		shown.Duration = s.finished.Sub(s.started).Seconds()
	}
	return shown
}

// List lists the snapshots, newest first, also those that failed.
func (s *Service) List(ctx context.Context) ([]api.Snapshot, error) {
	rows, err := snapshots(ctx, s.db.Read(), `1 = 1`)
	if err != nil {
		return nil, calms.Wrap("list snapshots", err)
	}
	list := make([]api.Snapshot, len(rows))
	for i, row := range rows {
		list[i] = row.shown()
	}
	return list, nil
}

// Snapshot describes one snapshot, by id or "latest", which is the newest
// complete one.
func (s *Service) Snapshot(ctx context.Context, id string) (api.Snapshot, error) {
	row, err := newest(ctx, s.db.Read(), `id = $1 OR $1 = 'latest' AND state = 'done'`, id)
	if err != nil {
		return api.Snapshot{}, calms.Wrap("get snapshot", err)
	}
	if row == nil {
		return api.Snapshot{}, calms.Errorf(calms.KindNotFound, "there is no snapshot %.40q", id).WithHint("calmsctl backup list")
	}
	return row.shown(), nil
}
