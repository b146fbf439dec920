package backup

import (
	"context"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// adopt brings our list of snapshots and packs up to what the repository holds
// and we do not know: after a restore all that came later, after a kill the
// snapshot whose manifest was written and not noted.
func (s *Service) adopt(ctx context.Context, r *Repository) error {
	numbers, err := r.numbers(ctx)
	if err != nil {
		return err
	}
	known, err := snapshots(ctx, s.db.Read(), `state = 'done'`)
	if err != nil {
		return err
	}
	have := map[int64]bool{}
	for _, row := range known {
		have[row.number] = true
	}
	for _, number := range numbers {
		if have[number] {
			continue
		}
		m, _, err := r.manifest(ctx, number)
		if broken(err) {
			s.options.Log.Error("manifest cannot be believed", "error", err) // Verify tells; it must not stop new snapshots
			continue
		} else if err != nil {
			return err
		}
		if err := s.adoptOne(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) adoptOne(ctx context.Context, m Manifest) error {
	return s.db.Update(ctx, func(tx store.Tx) error { return noteComplete(ctx, tx, m) })
}

// noteComplete notes the snapshot of a manifest, and its packs.
func noteComplete(ctx context.Context, tx store.Tx, m Manifest) error {
	// A snapshot that we were making holds nothing that we do not have, and
	// its marks are true. One that we never heard of is younger than the
	// backup we were restored from: what it covers may not be here.
	began, err := newest(ctx, tx, `id = $1`, m.Snapshot)
	if err != nil {
		return err
	}
	shown := m.snapshot()
	row := snapshot{id: m.Snapshot, number: m.Number, state: api.SnapshotDone, started: m.Created, finished: m.Created, size: shown.Bytes, announced: began == nil}
	for i, part := range m.Services {
		row.services = append(row.services, share{shown.Services[i], part.Marks})
	}
	packs, _ := m.packs()
	for _, pack := range packs {
		if err := notePack(ctx, tx, pack); err != nil {
			return err
		}
	}
	return saveSnapshot(ctx, tx, row)
}

// announce tells of complete snapshots, oldest first, until all were heard.
func (s *Service) announce(ctx context.Context) error {
	rows, err := snapshots(ctx, s.db.Read(), `state = 'done' AND announced = 0`)
	if err != nil {
		return err
	}
	for i := range rows {
		row := rows[len(rows)-1-i]
		covered := Covered{Snapshot: row.id, Time: row.started, Marks: map[string]map[string]string{}}
		for _, share := range row.services {
			covered.Marks[share.Name] = share.Marks
		}
		if err := s.options.Covered(ctx, covered); err != nil {
			return calms.Wrap("announce snapshot "+row.id, err)
		}
		row.announced = true
		if err := s.db.Update(ctx, func(tx store.Tx) error { return saveSnapshot(ctx, tx, row) }); err != nil {
			return err
		}
	}
	return nil
}
