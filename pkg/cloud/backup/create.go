package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// Progress is told how far a long job is: the step in words, and bytes done of
// total, where total is 0 when it is not known. It must return at once. It may
// be nil.
type Progress func(step string, done, total int64)

func (p Progress) tell(step string, done, total int64) {
	if p != nil {
		p(step, done, total)
	}
}

// Create begins a snapshot and returns at once; Snapshot tells how it ends. The
// kind is [calms.KindConflict] while another one is being made.
func (s *Service) Create(ctx context.Context) (api.Snapshot, error) {
	row, err := s.begin(ctx)
	if err != nil {
		return api.Snapshot{}, calms.Wrap("create snapshot", err)
	}
	s.wg.Go(func() {
		defer s.taking.Unlock()
		_, _ = s.finish(s.life, row, nil) // kept in the row, and logged
	})
	return row.shown(), nil
}

// Take makes a snapshot and returns when it is complete or failed. The kind is
// [calms.KindConflict] while another one is being made.
func (s *Service) Take(ctx context.Context, progress Progress) (api.Snapshot, error) {
	row, err := s.begin(ctx)
	if err != nil {
		return api.Snapshot{}, calms.Wrap("create snapshot", err)
	}
	defer s.taking.Unlock()
	row, err = s.finish(ctx, row, progress)
	return row.shown(), calms.Wrap("create snapshot", err)
}

// begin notes that a snapshot runs and holds s.taking when it returns nil.
func (s *Service) begin(ctx context.Context) (snapshot, error) {
	if _, err := s.keeping(ctx); err != nil {
		return snapshot{}, err
	}
	if !s.taking.TryLock() {
		return snapshot{}, calms.Errorf(calms.KindConflict, "another snapshot is being made").WithHint("calmsctl backup list")
	}
	now := time.Now().UTC()
	row := snapshot{id: newSnapshotID(now), state: api.SnapshotRunning, started: now}
	if err := s.db.Update(ctx, func(tx store.Tx) error { return saveSnapshot(ctx, tx, row) }); err != nil {
		s.taking.Unlock()
		return snapshot{}, err
	}
	return row, nil
}

// finish makes the snapshot and notes how it ended, also when ctx ended.
func (s *Service) finish(ctx context.Context, row snapshot, progress Progress) (snapshot, error) {
	err := s.fill(ctx, &row, progress)
	row.state, row.finished = api.SnapshotDone, time.Now().UTC()
	if err != nil {
		row.state, row.failure = api.SnapshotFailed, err.Error()
		s.options.Log.Error("snapshot failed", "snapshot", row.id, "error", err)
	}
	note := context.WithoutCancel(ctx)
	noted := s.db.Update(note, func(tx store.Tx) error {
		if err := saveSnapshot(note, tx, row); err != nil {
			return err
		}
		return store.Record(note, tx, "snapshot."+row.state, row.id, map[string]any{"bytes": row.size, "stored": row.stored, "error": row.failure})
	})
	if err := errors.Join(err, noted); err != nil {
		return row, err
	}
	s.options.Log.Info("snapshot complete", "snapshot", row.id, "bytes", row.size, "stored", row.stored)
	if err := s.announce(ctx); err != nil {
		s.options.Log.Error("snapshot not announced", "error", err) // Run tries again
	}
	return row, nil
}

// fill exports all sources into the repository and writes the manifest last:
// until then the snapshot does not exist.
func (s *Service) fill(ctx context.Context, row *snapshot, progress Progress) error {
	repository, k, err := s.repository(ctx)
	if err != nil {
		return err
	}
	if err := s.adopt(ctx, repository); err != nil {
		return err
	}
	packer, err := newPacker(ctx, s.db, repository.bucket, k)
	if err != nil {
		return err
	}
	defer packer.encoder.Close()
	m := Manifest{Version: formatVersion, Repository: k.about.ID, Snapshot: row.id, Created: row.started}
	meter := s.meter(ctx, progress)
	for _, source := range s.sources {
		part, err := exportPart(ctx, source, packer, meter)
		row.stored = packer.stored
		if err != nil {
			return fmt.Errorf("%s: %w", source.Name(), err)
		}
		m.Services = append(m.Services, part)
		row.size += part.Size
		row.services = append(row.services, share{api.SnapshotService{Name: part.Name, Bytes: part.Size, Packs: len(part.Packs)}, part.Marks})
	}
	row.number, err = publish(ctx, repository, k, m)
	return err
}

// meter counts exported bytes for progress, against the size of the snapshot
// before this one.
func (s *Service) meter(ctx context.Context, progress Progress) func(step string, n int64) {
	var done, total int64
	if last, err := newest(ctx, s.db.Read(), `state = 'done'`); err == nil && last != nil {
		total = last.size
	}
	return func(step string, n int64) {
		done += n
		progress.tell(step, done, max(total, done))
	}
}

func exportPart(ctx context.Context, source Source, packer *packer, meter func(string, int64)) (Part, error) {
	part := Part{Name: source.Name(), Packs: []Pack{}}
	cutter := newCutter(func(segment []byte) error {
		pack, err := packer.put(ctx, segment)
		if err != nil {
			return err
		}
		part.Packs = append(part.Packs, pack)
		part.Size += pack.Plain
		meter("export "+part.Name, pack.Plain)
		return nil
	})
	exported, err := source.Export(ctx, cutter)
	if err == nil {
		err = cutter.flush()
	}
	part.Schema, part.Rows, part.Marks = exported.Schema, exported.Rows, exported.Marks
	return part, err
}

// publish writes the manifest under the next number. The bucket lets one writer
// only have a number, so the chain of manifests never forks.
func publish(ctx context.Context, r *Repository, k keeping, m Manifest) (number int64, err error) {
	for range 10 {
		if m.Number, m.Previous, err = r.head(ctx); err != nil {
			return 0, err
		}
		m.Number++
		document, err := sign(k.signer, purposeManifest, m)
		if err != nil {
			return 0, err
		}
		err = r.bucket.Put(ctx, manifestName(m.Number), document)
		if err == nil || calms.KindOf(err) != calms.KindConflict {
			return m.Number, err
		}
	}
	return 0, calms.Errorf(calms.KindConflict, "others write manifests into this repository all the time")
}

// head is the number of the newest manifest and the hash of its file, whatever
// is in it; 0 and empty when there is none.
func (r *Repository) head(ctx context.Context) (number int64, hash string, err error) {
	numbers, err := r.numbers(ctx)
	if err != nil || len(numbers) == 0 {
		return 0, "", err
	}
	number = numbers[len(numbers)-1]
	document, err := r.bucket.Get(ctx, manifestName(number))
	return number, hashOf(document), err
}
