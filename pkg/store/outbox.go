package store

import (
	"context"
	"encoding/json"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// OutboxSchema makes the table that [Record] writes to. Every service puts it
// in its first migration; a change and its audit entry are one transaction.
const OutboxSchema = `CREATE TABLE outbox (
	number  INTEGER PRIMARY KEY, -- 1, 2, 3 … without gaps
	at      BIGINT  NOT NULL,    -- nanoseconds since 1970, UTC
	actor   TEXT    NOT NULL,    -- who did it: "operator:first", "device:d-…", "system"
	action  TEXT    NOT NULL,    -- what was done: "device.revoke"
	subject TEXT    NOT NULL,    -- on what: a path or an id
	detail  TEXT    NOT NULL     -- JSON object: before, after, reason; no secret
);`

// Entry is one audit entry.
type Entry struct {
	Number  int64
	At      time.Time
	Actor   string
	Action  string
	Subject string
	Detail  map[string]any
}

// actorKey carries the actor of a request in its context.
type actorKey struct{}

// WithActor says on whose behalf the work under ctx is done.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// Actor is whoever [WithActor] named, "system" where nobody did.
func Actor(ctx context.Context) string {
	if actor, ok := ctx.Value(actorKey{}).(string); ok {
		return actor
	}
	return "system"
}

// Record writes an audit entry within the transaction of the change that it
// describes. Detail must marshal to JSON and hold no secret.
func Record(ctx context.Context, tx Tx, action, subject string, detail map[string]any) error {
	if detail == nil {
		detail = map[string]any{}
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return calms.Wrap("record "+action, err)
	}
	_, err = tx.ExecContext(ctx,
		`INSERT INTO outbox (number, at, actor, action, subject, detail)
		 SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5 FROM outbox`,
		time.Now().UnixNano(), Actor(ctx), action, subject, string(text))
	return calms.Wrap("record "+action, err)
}

// Entries returns up to limit audit entries with numbers above after, in order.
func Entries(ctx context.Context, tx Tx, after int64, limit int) ([]Entry, error) {
	rows, err := tx.QueryContext(ctx,
		`SELECT number, at, actor, action, subject, detail FROM outbox WHERE number > $1 ORDER BY number LIMIT $2`, after, limit)
	if err != nil {
		return nil, calms.Wrap("read outbox", err)
	}
	defer rows.Close()
	var entries []Entry
	for rows.Next() {
		var e Entry
		var at int64
		var detail string
		if err := rows.Scan(&e.Number, &at, &e.Actor, &e.Action, &e.Subject, &detail); err != nil {
			return nil, calms.Wrap("read outbox", err)
		}
		e.At = time.Unix(0, at).UTC()
		if err := json.Unmarshal([]byte(detail), &e.Detail); err != nil {
			return nil, calms.Wrap("read outbox", err)
		}
		entries = append(entries, e)
	}
	return entries, calms.Wrap("read outbox", rows.Err())
}
