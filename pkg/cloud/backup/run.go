package backup

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// Run makes snapshots when they are due, and what was missed while the daemon
// was off at once; it sends pending facts and announces snapshots. It returns
// when ctx ends. Call it once, after Protect.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		s.tend(ctx)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-time.After(s.pause(ctx)):
		}
	}
	return nil
}

// tend does whatever is due now. Errors are logged; the next look tries again.
func (s *Service) tend(ctx context.Context) {
	r, _, err := s.repository(ctx)
	if errors.Is(err, ErrNoRepository) {
		return
	}
	if err == nil {
		err = errors.Join(s.sendPending(ctx), s.adopt(ctx, r), s.announce(ctx))
	}
	if err != nil && ctx.Err() == nil {
		s.options.Log.Error("backup repository", "error", err)
	}
	due, err := s.due(ctx)
	if err != nil || due == nil || time.Now().Before(*due) {
		return
	}
	if _, err := s.Take(ctx, nil); calms.KindOf(err) == calms.KindConflict {
		s.options.Log.Info("snapshot is due while another is being made")
	}
}

// pause is the time until the next look.
func (s *Service) pause(ctx context.Context) time.Duration {
	due, err := s.due(ctx)
	if err != nil || due == nil {
		return s.options.Tend
	}
	// Not at once, should something always be due and always fail.
	return min(s.options.Tend, max(time.Until(*due), s.options.Tend/100))
}

// due is the time of the next snapshot; nil when there is no repository.
func (s *Service) due(ctx context.Context) (*time.Time, error) {
	if _, err := s.keeping(ctx); err != nil {
		if errors.Is(err, ErrNoRepository) {
			err = nil
		}
		return nil, err
	}
	good, err := newest(ctx, s.db.Read(), `state = 'done'`)
	if err != nil {
		return nil, err
	}
	failed, err := newest(ctx, s.db.Read(), `state = 'failed' AND finished > started`)
	if err != nil {
		return nil, err
	}
	due := s.dueAfter(good, failed, time.Now())
	return &due, nil
}

// dueAfter is an interval after the newest good snapshot, or the pause for a
// retry after a newer one that failed. Snapshots of the future tell of a clock
// that was wrong; they do not hold up the next.
func (s *Service) dueAfter(good, failed *snapshot, now time.Time) time.Time {
	due := now
	if good != nil && !good.started.After(now) {
		due = good.started.Add(s.jittered(good.id))
	}
	if failed != nil && !failed.finished.After(now) && (good == nil || failed.started.After(good.started)) {
		if retry := failed.finished.Add(s.options.Retry); retry.After(due) {
			due = retry
		}
	}
	return due
}

// jittered varies the interval by up to a tenth either way. The snapshot's id
// decides, so that the time that is shown stays, also over a restart.
func (s *Service) jittered(id string) time.Duration {
	sum := sha256.Sum256([]byte(id))
	draw := float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
	tenth := s.options.Every / 10
	return s.options.Every - tenth + time.Duration(draw*float64(2*tenth))
}
