package pki

import (
	"context"
	"crypto/x509"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// renewalsPerLife is how many certificates a device may get in the life of one.
// Renewing at two thirds needs one and a half; the rest is for lost replies.
const renewalsPerLife = 10

// Renew issues the successor of a device certificate. Presented is the chain of
// a TLS handshake in which the device proved to hold the old key; the request
// (DER) proves that it holds the new one. The certificate may have expired, by up
// to Options.Grace. Errors: [calms.KindUnauthenticated] for what is no device
// certificate of ours; [calms.KindForbidden] when the device is revoked or the
// certificate too old; [calms.KindUnavailable] when it renews too often.
func (s *Service) Renew(ctx context.Context, presented []*x509.Certificate, request []byte) ([][]byte, error) {
	chain, err := s.renew(ctx, presented, request)
	return chain, calms.Wrap("renew device certificate", err)
}

func (s *Service) renew(ctx context.Context, presented []*x509.Certificate, request []byte) ([][]byte, error) {
	id, err := s.Verify(presented)
	if err != nil {
		return nil, err
	}
	ctx = store.WithActor(ctx, "device:"+string(id))
	expired := s.options.Now().Sub(presented[0].NotAfter)
	if err := s.checkAge(ctx, id, expired); err != nil {
		return nil, err
	}
	s.renewal.Lock()
	defer s.renewal.Unlock()
	if err := s.checkRate(ctx, id); err != nil {
		return nil, err
	}
	if err := s.remember(ctx, id, presented[0]); err != nil {
		return nil, err
	}
	detail := map[string]any{"old": serial(presented[0])}
	if expired > 0 {
		detail["expiredFor"] = expired.Round(time.Second).String()
	}
	return s.issueDevice(ctx, id, request, "certificate.renew", detail)
}

// checkAge refuses what expired too long ago, and all that expired while
// renewal past expiry is shut.
func (s *Service) checkAge(ctx context.Context, id calms.DeviceID, expired time.Duration) error {
	if expired <= 0 {
		return nil
	}
	if expired > s.options.Grace {
		return calms.Errorf(calms.KindForbidden, "the certificate of %s expired %d days ago, at most %d are allowed", id, expired/day, s.options.Grace/day).
			WithHint("an operator re-authorises the device: calmsctl device provision PATH, then calms-edge enroll on the site")
	}
	return s.options.PastExpiry(ctx)
}

// checkRate counts in the log and not in memory, so that a restart forgets
// nothing.
func (s *Service) checkRate(ctx context.Context, id calms.DeviceID) error {
	window := s.options.DeviceLife
	var issued int
	err := s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM certificates WHERE subject = $1 AND issued > $2 AND unknown IS NULL`,
		string(id), s.options.Now().Add(-window).UnixNano()).Scan(&issued)
	if err != nil {
		return err
	}
	if issued >= renewalsPerLife {
		return calms.Errorf(calms.KindUnavailable, "the device %s got %d certificates within %s", id, issued, window).
			WithHint("it is let in again when that time has passed; see why it does not keep what it gets")
	}
	return nil
}
