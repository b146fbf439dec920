// Package facts keeps what must not come back to life with an old backup:
// revocations, burnt tickets. A service notes a fact in the transaction that
// makes it true, so it holds at once; the fact is complete when an append-only
// log outside the machine has it too. After a restore the log gives every fact
// back to its service.
package facts

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// The kinds of facts. They stand in logs that live for years: never rename one.
const (
	DeviceRevoked = "device.revoked" // subject: device id; detail: reason
	TicketUsed    = "ticket.used"    // subject: ticket id; detail: device, key (fingerprint)
	TicketVoided  = "ticket.voided"  // subject: ticket id; detail: device
)

// Fact is something that happened and stays so.
type Fact struct {
	Kind    string
	Subject string
	At      time.Time
	Detail  map[string]string
}

// Log is the append-only log that leaves the machine. Append returns nil when
// the fact is safe there; the same fact may be appended twice. Safe for
// concurrent use.
type Log interface {
	Append(ctx context.Context, kind, subject string, at time.Time, detail map[string]string) error
}

// Schema makes the table of facts not yet told. A service that has facts puts it
// in its first migration.
const Schema = `CREATE TABLE facts (
	number  INTEGER PRIMARY KEY,
	kind    TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	at      BIGINT  NOT NULL,   -- nanoseconds since 1970, UTC
	detail  TEXT    NOT NULL    -- JSON object of strings
);`

// Note keeps a fact within the transaction that makes it true.
func Note(ctx context.Context, tx store.Tx, f Fact) error {
	detail, err := json.Marshal(f.Detail)
	if err != nil {
		return calms.Wrap("note "+f.Kind, err)
	}
	_, err = tx.ExecContext(ctx,
		`INSERT INTO facts (number, kind, subject, at, detail)
		 SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4 FROM facts`,
		f.Kind, f.Subject, f.At.UnixNano(), string(detail))
	return calms.Wrap("note "+f.Kind, err)
}

// Teller tells the log what a service's database has noted. Safe for concurrent
// use.
type Teller struct {
	db  *store.DB
	log Log
	mu  sync.Mutex // one flush at a time; facts go out in order
}

// NewTeller tells log the facts of db. A nil log is an installation whose facts
// have nowhere to go: they wait.
func NewTeller(db *store.DB, log Log) *Teller { return &Teller{db: db, log: log} }

// Flush tells everything noted so far, oldest first. Nil means that the log has
// all of it. Facts that were not told stay, for the next Flush; the kind is
// [calms.KindPending].
func (t *Teller) Flush(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		number, fact, err := t.oldest(ctx)
		if err != nil || number == 0 {
			return err
		}
		if err := t.tell(ctx, fact); err != nil {
			return err
		}
		if err := t.forget(ctx, number); err != nil {
			return err
		}
	}
}

// patience bounds how long a request waits for the log outside.
const patience = 5 * time.Second

// Told is Flush for a request that has just noted a fact and must be answered
// soon: it reports whether the log has everything. Where it has not, a later
// Flush goes on.
func (t *Teller) Told(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return t.Flush(ctx) == nil
}

func (t *Teller) tell(ctx context.Context, f Fact) error {
	if t.log == nil {
		return calms.Errorf(calms.KindPending, "there is no repository outside this machine to keep the fact %s", f.Kind)
	}
	if err := t.log.Append(ctx, f.Kind, f.Subject, f.At, f.Detail); err != nil {
		return calms.Errorf(calms.KindPending, "the repository does not have the fact %s yet: %w", f.Kind, err)
	}
	return nil
}

// oldest is the fact that was noted first; its number is 0 where there is none.
func (t *Teller) oldest(ctx context.Context) (number int64, f Fact, err error) {
	rows, err := t.db.Read().QueryContext(ctx, `SELECT number, kind, subject, at, detail FROM facts ORDER BY number LIMIT 1`)
	if err != nil {
		return 0, Fact{}, calms.Wrap("read facts", err)
	}
	defer rows.Close()
	var at int64
	var detail string
	for rows.Next() {
		if err := rows.Scan(&number, &f.Kind, &f.Subject, &at, &detail); err != nil {
			return 0, Fact{}, calms.Wrap("read facts", err)
		}
		if err := json.Unmarshal([]byte(detail), &f.Detail); err != nil {
			return 0, Fact{}, calms.Wrap("read facts", err)
		}
	}
	f.At = time.Unix(0, at).UTC()
	return number, f, calms.Wrap("read facts", rows.Err())
}

func (t *Teller) forget(ctx context.Context, number int64) error {
	return calms.Wrap("forget fact", t.db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM facts WHERE number = $1`, number)
		return err
	}))
}
