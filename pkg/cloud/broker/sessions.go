package broker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"go.calms.com/calms/pkg/calms"
)

var errTakenOver = errors.New("the device has connected again")

// sessions knows the connections from the end of their handshake to their end,
// and lets one connection per device into the protocol. mochi's own take-over
// is never reached: there, the end of the old connection can remove the
// registration and the subscriptions of the new one, as both have one name.
type sessions struct {
	mu   *sync.Mutex
	open map[*conn]struct{}       // every connection with a device; guarded by mu
	live map[calms.DeviceID]*conn // after CONNECT; guarded by mu
}

func newSessions() sessions {
	return sessions{mu: new(sync.Mutex), open: map[*conn]struct{}{}, live: map[calms.DeviceID]*conn{}}
}

func (s *sessions) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
}

func (s *sessions) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	if s.live[c.device] == c {
		delete(s.live, c.device)
	}
	close(c.done)
}

// establish makes c the device's session: it cuts the one before and waits
// until nothing of it runs any more, at most until ctx ends.
func (s *sessions) establish(ctx context.Context, c *conn) error {
	for {
		old := s.claim(c)
		if old == nil {
			return nil
		}
		old.cut(errTakenOver)
		select {
		case <-old.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// claim makes c the session if there is none, or returns the one there is.
func (s *sessions) claim(c *conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.live[c.device]
	if old == nil {
		s.live[c.device] = c
	}
	return old
}

// get is a device's session, nil where there is none.
func (s *sessions) get(device calms.DeviceID) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[device]
}

func (s *sessions) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

func (s *sessions) established() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.live))
}
