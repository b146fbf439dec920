package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

const (
	ticketTTL    = time.Hour
	maxTicketTTL = 30 * 24 * time.Hour // for what is shipped with its ticket
)

// The states of a ticket.
const (
	ticketOpen   = "open"
	ticketUsed   = "used"
	ticketVoided = "voided" // a newer one was made, or the device was deleted
)

// Provision makes a one-time ticket for a device, and the device where there is
// none; its site must exist. A new ticket voids the open one. Zero seconds is
// one hour, 30 days is the most. The answer holds the only copy of the secret.
func (s *Service) Provision(ctx context.Context, path calms.Path, ttlSeconds int) (api.Provisioned, error) {
	ttl := time.Duration(ttlSeconds) * time.Second
	if ttl == 0 {
		ttl = ticketTTL
	}
	if ttlSeconds < 0 || ttlSeconds > int(maxTicketTTL/time.Second) {
		return api.Provisioned{}, calms.Errorf(calms.KindInvalid, "provision device: a ticket cannot live %d seconds: 1 second to 30 days are allowed", ttlSeconds)
	}
	p, err := s.provision(ctx, path, ttl)
	if err != nil {
		return api.Provisioned{}, calms.Wrap("provision device", err)
	}
	s.teller.Told(ctx) // of the voided ticket; the new one is good either way
	return p, nil
}

func (s *Service) provision(ctx context.Context, path calms.Path, ttl time.Duration) (p api.Provisioned, err error) {
	ticket := wire.Ticket{ID: "t-" + calms.RandomName(10), CA: s.options.CA, URL: s.options.URL}
	rand.Read(ticket.Secret[:]) // never fails, see crypto/rand
	p.Ticket, p.Expires = ticket.String(), s.options.Now().Add(ttl).UTC()
	err = s.db.Update(ctx, func(tx store.Tx) error {
		device, err := s.ensureDevice(ctx, tx, path)
		if err != nil {
			return err
		}
		p.Device = device
		if err := s.voidTickets(ctx, tx, calms.DeviceID(device.ID)); err != nil {
			return err
		}
		hash := sha256.Sum256(ticket.Secret[:])
		if _, err := tx.ExecContext(ctx, `INSERT INTO tickets (id, device, secret_hash, state, created, expires) VALUES ($1, $2, $3, $4, $5, $6)`,
			ticket.ID, device.ID, hash[:], ticketOpen, s.now(), p.Expires.UnixNano()); err != nil {
			return err
		}
		return store.Record(ctx, tx, "device.provision", string(path), map[string]any{"id": device.ID, "ticket": ticket.ID, "expires": p.Expires})
	})
	return p, err
}

// ensureDevice is the device at path, made where there is none.
func (s *Service) ensureDevice(ctx context.Context, tx store.Tx, path calms.Path) (api.Device, error) {
	if _, err := calms.ParsePathAt(string(path), calms.LevelDevice); err != nil {
		return api.Device{}, err
	}
	known, err := devices.exists(ctx, tx, path)
	if err != nil {
		return api.Device{}, err
	}
	if !known {
		if err := s.newDevice(ctx, tx, path); err != nil {
			return api.Device{}, err
		}
	}
	device, err := devices.get(ctx, tx, path)
	device = s.withState(device)
	if err == nil && device.State == api.DeviceRevoked {
		err = calms.Errorf(calms.KindConflict, "device %q is revoked, which is for good", path).
			WithHint("free the path: calmsctl data export %[1]s, as its samples cannot be read by path afterwards; calmsctl device delete %[1]s; then provision it again: it gets a new identity", path)
	}
	return device, err
}

// voidTickets voids the open tickets of a device. That is a fact, or an old
// backup would open them again.
func (s *Service) voidTickets(ctx context.Context, tx store.Tx, device calms.DeviceID) error {
	open, err := openTickets(ctx, tx, device)
	if err != nil {
		return err
	}
	for _, id := range open {
		if _, err := tx.ExecContext(ctx, `UPDATE tickets SET state = $1 WHERE id = $2`, ticketVoided, id); err != nil {
			return err
		}
		fact := facts.Fact{Kind: facts.TicketVoided, Subject: id, At: s.options.Now(), Detail: map[string]string{"device": string(device)}}
		if err := facts.Note(ctx, tx, fact); err != nil {
			return err
		}
	}
	return nil
}

func openTickets(ctx context.Context, tx store.Tx, device calms.DeviceID) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id FROM tickets WHERE device = $1 AND state = $2`, string(device), ticketOpen)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var open []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		open = append(open, id)
	}
	return open, rows.Err()
}

// ticket is a row of the table.
type ticket struct {
	id      string
	device  calms.DeviceID
	hash    []byte // of the secret
	state   string
	expires time.Time
	used    time.Time // zero: never
	key     string    // fingerprint of the key that enrolled
}

// readTicket returns a ticket without a hash, which no secret opens, where
// there is none.
func readTicket(ctx context.Context, tx store.Tx, id string) (ticket, error) {
	t := ticket{id: id}
	var expires, used int64
	err := tx.QueryRowContext(ctx,
		`SELECT device, secret_hash, state, expires, COALESCE(used, 0), COALESCE(key_fingerprint, '') FROM tickets WHERE id = $1`, id).
		Scan(&t.device, &t.hash, &t.state, &expires, &used, &t.key)
	if errors.Is(err, sql.ErrNoRows) {
		return t, nil
	}
	t.expires = at(expires)
	if used != 0 {
		t.used = at(used)
	}
	return t, err
}

// opens reports whether secret is the ticket's, in constant time.
func (t ticket) opens(secret []byte) bool {
	hash := sha256.Sum256(secret)
	return subtle.ConstantTimeCompare(t.hash, hash[:]) == 1
}

// ApplyFact puts a fact of the log back in force after a restore: a burnt ticket
// stays burnt. What is in force already, and kinds that are not fleet's, change
// nothing.
func (s *Service) ApplyFact(ctx context.Context, f facts.Fact) error {
	state := map[string]string{facts.TicketUsed: ticketUsed, facts.TicketVoided: ticketVoided}[f.Kind]
	if state == "" {
		return nil
	}
	return calms.Wrap("apply fact "+f.Kind, s.db.Update(ctx, func(tx store.Tx) error { return s.burnAgain(ctx, tx, f, state) }))
}

func (s *Service) burnAgain(ctx context.Context, tx store.Tx, f facts.Fact, state string) error {
	device := f.Detail["device"]
	result, err := tx.ExecContext(ctx,
		`INSERT INTO tickets (id, device, secret_hash, state, created, expires, used, key_fingerprint) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		 ON CONFLICT (id) DO UPDATE SET state = excluded.state, used = excluded.used, key_fingerprint = excluded.key_fingerprint
		 WHERE tickets.state = '`+ticketOpen+`'`,
		f.Subject, device, []byte{}, state, f.At.UnixNano(), f.At.UnixNano(), f.At.UnixNano(), f.Detail["key"])
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if state == ticketUsed {
		if _, err := tx.ExecContext(ctx, `UPDATE devices SET enrolled = $1 WHERE id = $2 AND enrolled IS NULL`, f.At.UnixNano(), device); err != nil {
			return err
		}
	}
	return store.Record(ctx, tx, f.Kind, f.Subject, map[string]any{"device": device, "reapplied": true})
}
