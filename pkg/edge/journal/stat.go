package journal

import (
	"context"
	"maps"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// Stat is what a journal file holds.
type Stat struct {
	Bytes    int64 // used by entries and objects
	Limit    int64 // beyond which the oldest entries go
	Journals []JournalStat
}

// JournalStat is what is held of one journal.
type JournalStat struct {
	ID      wire.JournalID
	Reason  string // why it was begun
	Head    uint64 // highest number ever written
	Total   uint64 // samples up to and with it
	Entries uint64 // held
	Samples uint64 // held
	First   uint64 // lowest number held; 0 where nothing is
	Since   int64  // UTC nanoseconds of the oldest sample held, 0 where unknown
	Until   int64  // of the newest one
	Cursor  uint64 // the cloud's, as far as it is known
	Covered uint64 // what the newest snapshot covers, as far as it is known
	Lost    []wire.Loss
}

// Stat reads what is held, oldest journal first.
func (j *Journal) Stat(ctx context.Context) (Stat, error) {
	j.mu.Lock()
	cursor, covered := maps.Clone(j.marks.cursor), maps.Clone(j.marks.covered)
	j.mu.Unlock()
	s := Stat{Limit: j.options.Limit}
	err := j.db.View(ctx, func(tx store.Tx) (err error) {
		if s.Bytes, err = usedBytes(ctx, tx); err != nil {
			return err
		}
		if s.Journals, err = journalStats(ctx, tx, j.options.Device); err != nil {
			return err
		}
		for i := range s.Journals {
			g := s.Journals[i].ID.Generation
			s.Journals[i].Cursor, s.Journals[i].Covered = cursor[g], covered[g]
			if s.Journals[i].Lost, err = losses(ctx, tx, g); err != nil {
				return err
			}
		}
		return nil
	})
	return s, calms.Wrap("read journal", err)
}

func journalStats(ctx context.Context, tx store.Tx, device calms.DeviceID) ([]JournalStat, error) {
	rows, err := tx.QueryContext(ctx, `SELECT j.generation, j.random, j.reason, j.head, j.total, COUNT(e.number), COALESCE(SUM(e.samples), 0),
			COALESCE(MIN(e.number), 0), COALESCE(MIN(NULLIF(e.since, 0)), 0), COALESCE(MAX(e.until), 0)
		FROM journals j LEFT JOIN entries e ON e.generation = j.generation GROUP BY j.generation ORDER BY j.generation`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var stats []JournalStat
	for rows.Next() {
		s := JournalStat{ID: wire.JournalID{Device: device}}
		var random []byte
		if err := rows.Scan(&s.ID.Generation, &random, &s.Reason, &s.Head, &s.Total, &s.Entries, &s.Samples, &s.First, &s.Since, &s.Until); err != nil {
			return nil, err
		}
		copy(s.ID.Random[:], random)
		stats = append(stats, s)
	}
	return stats, rows.Err()
}

func losses(ctx context.Context, tx store.Tx, generation uint64) ([]wire.Loss, error) {
	rows, err := tx.QueryContext(ctx, `SELECT first, last, hash, total, since, until, reason FROM lost WHERE generation = $1 ORDER BY first`, generation)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var lost []wire.Loss
	for rows.Next() {
		var l wire.Loss
		var hash []byte
		if err := rows.Scan(&l.First, &l.Last, &hash, &l.Total, &l.Since, &l.Until, &l.Reason); err != nil {
			return nil, err
		}
		copy(l.Hash[:], hash)
		lost = append(lost, l)
	}
	return lost, rows.Err()
}
