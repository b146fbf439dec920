package fleet

import (
	"context"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
)

// repeatable is for how long a used ticket gives the same key another
// certificate: a lost reply strands nobody.
const repeatable = 24 * time.Hour

// Enrolled is the outcome of an enrolment.
type Enrolled struct {
	Device       api.Device
	Organisation string   // id
	Chain        [][]byte // device certificate and its chain, DER, leaf first
}

// Enroll proves a ticket and issues the device's certificate for the key of a
// request (PKCS #10, DER). The certificate is made first and the ticket burnt
// last, in one transaction with the enrolment: no failure burns a ticket and
// gives nothing for it. Of two that race for one ticket one wins; the same key
// gets a certificate again for 24 h; a second key is refused, with an alarm. An
// edge that is enrolled says as which device: a ticket of another one is refused
// and stays good.
// Errors: [calms.KindUnauthenticated] for an unknown ticket or a wrong secret;
// [calms.KindForbidden] when it expired or was voided, or the device is revoked;
// [calms.KindConflict] when it is used, or of another device.
func (s *Service) Enroll(ctx context.Context, request api.EnrollRequest) (Enrolled, error) {
	enrolled, err := s.enroll(ctx, request)
	if err != nil {
		return Enrolled{}, calms.Wrap("enrol", err)
	}
	s.teller.Told(ctx) // the ticket is burnt here either way
	return enrolled, nil
}

func (s *Service) enroll(ctx context.Context, request api.EnrollRequest) (Enrolled, error) {
	t, err := readTicket(ctx, s.db.Read(), request.TicketID)
	if err != nil {
		return Enrolled{}, err
	}
	if !t.opens(request.Secret) {
		return Enrolled{}, calms.Errorf(calms.KindUnauthenticated, "the ticket is not known here, or its secret is wrong").
			WithHint("ask the cloud's operator for a new one: calmsctl device provision PATH")
	}
	public, err := certs.ParseRequest(request.CSR)
	if err != nil {
		return Enrolled{}, err
	}
	key, err := certs.KeyFingerprint(public)
	if err != nil {
		return Enrolled{}, err
	}
	if err := s.admit(ctx, t, key.String()); err != nil {
		return Enrolled{}, err
	}
	if err := t.isOf(request.DeviceID); err != nil {
		return Enrolled{}, err
	}
	chain, err := s.options.Issuer.IssueDevice(ctx, t.device, request.CSR)
	if err != nil {
		return Enrolled{}, err
	}
	return s.burn(ctx, t, key.String(), chain)
}

// isOf refuses an edge that is another device already; empty is none yet.
func (t ticket) isOf(believed string) error {
	if believed == "" || believed == string(t.device) {
		return nil
	}
	return calms.Errorf(calms.KindConflict, "the ticket is of %s, and this edge is %s", t.device, believed).
		WithHint("the ticket is still good: use it where its device is to be, or in a data directory of its own (--data DIR); this edge needs a ticket of its own device")
}

// admit decides whether a ticket, whose secret was right, lets key in. A ticket
// that was used with another key is stolen or copied: that is an alarm.
func (s *Service) admit(ctx context.Context, t ticket, key string) error {
	again := "ask for a new ticket: calmsctl device provision PATH"
	now := s.options.Now()
	switch {
	case t.state == ticketUsed && t.key != key:
		return s.misused(ctx, t, key)
	case t.state == ticketUsed && now.Sub(t.used) > repeatable:
		return calms.Errorf(calms.KindConflict, "the ticket was used on %s", t.used.Format(time.RFC3339)).WithHint("%s", again)
	case t.state == ticketVoided:
		return calms.Errorf(calms.KindForbidden, "the ticket is void: a newer one was made, or its device was deleted").WithHint("%s", again)
	case t.state == ticketOpen && !now.Before(t.expires):
		return calms.Errorf(calms.KindForbidden, "the ticket expired on %s", t.expires.Format(time.RFC3339)).WithHint("%s", again)
	case s.options.Issuer.Revoked(t.device):
		return calms.Errorf(calms.KindForbidden, "the device %s is revoked", t.device).WithHint("%s", again)
	}
	return nil
}

func (s *Service) misused(ctx context.Context, t ticket, key string) error {
	s.options.Raise("ticket-misused", string(t.device), "critical",
		"the used enrolment ticket "+t.id+" was shown again with another key: somebody has a copy of it",
		"find out who enrolled first; if it was not you: calmsctl device revoke PATH")
	err := s.db.Update(ctx, func(tx store.Tx) error {
		return store.Record(ctx, tx, "ticket.misuse", t.id, map[string]any{"device": t.device, "key": key, "enrolledKey": t.key})
	})
	if err != nil {
		return err
	}
	return calms.Errorf(calms.KindConflict, "the ticket was used already, with another key").
		WithHint("if that was not you, the ticket was stolen: have the device revoked; else ask for a new ticket")
}

// burn takes the ticket for key and enrols the device, or finds that somebody
// was faster.
func (s *Service) burn(ctx context.Context, t ticket, key string, chain [][]byte) (Enrolled, error) {
	var won bool
	enrolled := Enrolled{Chain: chain}
	err := s.db.Update(ctx, func(tx store.Tx) (err error) {
		if won, err = s.take(ctx, tx, t.id, key); err != nil || !won {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE devices SET enrolled = $1 WHERE id = $2 AND enrolled IS NULL`, s.now(), string(t.device)); err != nil {
			return err
		}
		if err := s.describeEnrolled(ctx, tx, t.device, &enrolled); err != nil {
			return err
		}
		fact := facts.Fact{Kind: facts.TicketUsed, Subject: t.id, At: s.options.Now(), Detail: map[string]string{"device": string(t.device), "key": key}}
		if err := facts.Note(ctx, tx, fact); err != nil {
			return err
		}
		return store.Record(ctx, tx, "device.enroll", enrolled.Device.Path, map[string]any{"id": t.device, "ticket": t.id, "key": key})
	})
	if err == nil && !won {
		return s.repeat(ctx, t.id, key, chain)
	}
	return enrolled, err
}

// take burns an open ticket; it reports false where it is not open any more.
func (s *Service) take(ctx context.Context, tx store.Tx, id, key string) (bool, error) {
	result, err := tx.ExecContext(ctx, `UPDATE tickets SET state = $1, used = $2, key_fingerprint = $3 WHERE id = $4 AND state = $5`,
		ticketUsed, s.now(), key, id, ticketOpen)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// repeat answers the second request for one ticket, judged by what the first has
// made of it.
func (s *Service) repeat(ctx context.Context, id, key string, chain [][]byte) (Enrolled, error) {
	t, err := readTicket(ctx, s.db.Read(), id)
	if err != nil {
		return Enrolled{}, err
	}
	if err := s.admit(ctx, t, key); err != nil {
		return Enrolled{}, err
	}
	enrolled := Enrolled{Chain: chain}
	err = s.db.Update(ctx, func(tx store.Tx) error {
		if err := s.describeEnrolled(ctx, tx, t.device, &enrolled); err != nil {
			return err
		}
		return store.Record(ctx, tx, "device.enroll-again", enrolled.Device.Path, map[string]any{"id": t.device, "ticket": t.id, "key": key})
	})
	return enrolled, err
}

// describeEnrolled fills in what the device's registration will say.
func (s *Service) describeEnrolled(ctx context.Context, tx store.Tx, id calms.DeviceID, e *Enrolled) error {
	device, err := deviceByID(ctx, tx, id)
	if err != nil {
		return err
	}
	e.Device = s.withState(device)
	return tx.QueryRowContext(ctx,
		`SELECT s.organisation FROM sites s JOIN devices d ON d.site = s.path WHERE d.id = $1`, string(id)).Scan(&e.Organisation)
}
