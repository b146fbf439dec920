package journal

import (
	"context"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// State keeps what is to be told the cloud about the end of a journal, and
// reports whether that is news.
func (j *Journal) State(ctx context.Context, s wire.Statement) (news bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	known, err := j.statements(ctx)
	if err != nil {
		return false, calms.Wrap("read journal", err)
	}
	for _, k := range known {
		if k.Kind == s.Kind && k.Journal == s.Journal && k.Number == s.Number {
			return false, nil
		}
	}
	err = j.db.Update(ctx, func(tx store.Tx) error {
		return putStatements(ctx, tx, s.Journal, []wire.Statement{s})
	})
	return err == nil, calms.Wrap("note statement", err)
}

// Statements is what is to be told the cloud in every hello.
func (j *Journal) Statements(ctx context.Context) ([]wire.Statement, error) {
	statements, err := j.statements(ctx)
	return statements, calms.Wrap("read journal", err)
}

func (j *Journal) statements(ctx context.Context) ([]wire.Statement, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT s.kind, s.generation, j.random, s.number, s.hash, s.reason
		FROM statements s JOIN journals j ON j.generation = s.generation ORDER BY s.generation, s.kind`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var statements []wire.Statement
	for rows.Next() {
		s := wire.Statement{Journal: wire.JournalID{Device: j.options.Device}}
		var random, hash []byte
		if err := rows.Scan(&s.Kind, &s.Journal.Generation, &random, &s.Number, &hash, &s.Reason); err != nil {
			return nil, err
		}
		copy(s.Journal.Random[:], random)
		copy(s.Hash[:], hash)
		statements = append(statements, s)
	}
	return statements, rows.Err()
}

// putStatements writes statements; one without a journal is about begun.
func putStatements(ctx context.Context, tx store.Tx, begun wire.JournalID, statements []wire.Statement) error {
	for _, s := range statements {
		if s.Journal.Generation == 0 {
			s.Journal = begun
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO statements (kind, generation, number, hash, reason) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT DO NOTHING`, s.Kind, s.Journal.Generation, s.Number, s.Hash[:], s.Reason); err != nil {
			return err
		}
	}
	return nil
}
