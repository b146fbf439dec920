package pki

import (
	"context"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
)

// Revocation is the outcome of [Service.Revoke].
type Revocation struct {
	// Complete: the log outside this machine has it, so no restore undoes it.
	// Where it is not, Flush completes it later; in force it is anyway.
	Complete bool
}

// Revoke refuses a device from now on, for good. It is in force when the local
// database has it: Options.OnRevoke is called then, and only then the fact is
// told to the log outside, for some seconds at most. Revoking again changes
// nothing, and tries to complete.
func (s *Service) Revoke(ctx context.Context, id calms.DeviceID, reason string) (Revocation, error) {
	if _, err := calms.ParseDeviceID(string(id)); err != nil {
		return Revocation{}, calms.Wrap("revoke device", err)
	}
	if err := s.revoke(ctx, id, reason, s.options.Now(), true); err != nil {
		return Revocation{}, calms.Wrap("revoke device", err)
	}
	return Revocation{Complete: s.teller.Told(ctx)}, nil
}

// revoke commits a revocation and puts it in force. One that is news to the log
// outside is noted for it.
func (s *Service) revoke(ctx context.Context, id calms.DeviceID, reason string, at time.Time, news bool) error {
	err := s.db.Update(ctx, func(tx store.Tx) error {
		result, err := tx.ExecContext(ctx,
			`INSERT INTO revocations (device, revoked, reason) VALUES ($1, $2, $3) ON CONFLICT (device) DO NOTHING`, string(id), at.UnixNano(), reason)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if news {
			if err := facts.Note(ctx, tx, facts.Fact{Kind: facts.DeviceRevoked, Subject: string(id), At: at, Detail: map[string]string{"reason": reason}}); err != nil {
				return err
			}
		}
		return store.Record(ctx, tx, "device.revoke", string(id), map[string]any{"reason": reason, "reapplied": !news})
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.revoked[id] = struct{}{}
	s.mu.Unlock()
	s.options.OnRevoke(id)
	return nil
}

// Revoked reports whether a device is revoked. It asks memory only: every
// handshake and every entry asks.
func (s *Service) Revoked(id calms.DeviceID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, revoked := s.revoked[id]
	return revoked
}

// Flush completes revocations that the log outside does not have yet; nil means
// that it has all. Call it now and then.
func (s *Service) Flush(ctx context.Context) error { return s.teller.Flush(ctx) }

// ApplyFact puts a fact of the log back in force after a restore; what is in
// force already, and kinds that are not pki's, change nothing.
func (s *Service) ApplyFact(ctx context.Context, f facts.Fact) error {
	if f.Kind != facts.DeviceRevoked {
		return nil
	}
	id, err := calms.ParseDeviceID(f.Subject)
	if err != nil {
		return calms.Wrap("apply fact "+f.Kind, err)
	}
	return calms.Wrap("apply fact "+f.Kind, s.revoke(ctx, id, f.Detail["reason"], f.At, false))
}

func (s *Service) loadRevoked(ctx context.Context) error {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT device FROM revocations`)
	if err != nil {
		return calms.Wrap("load revocations", err)
	}
	defer rows.Close()
	revoked := map[calms.DeviceID]struct{}{}
	for rows.Next() {
		var id calms.DeviceID
		if err := rows.Scan(&id); err != nil {
			return calms.Wrap("load revocations", err)
		}
		revoked[id] = struct{}{}
	}
	s.mu.Lock()
	s.revoked = revoked
	s.mu.Unlock()
	return calms.Wrap("load revocations", rows.Err())
}

func revokedError(id calms.DeviceID) error {
	return calms.Errorf(calms.KindForbidden, "the device %s is revoked", id).
		WithHint("a revocation is for good: delete the device and provision a new one")
}
