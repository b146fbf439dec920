package agent

import (
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

// sessionLife is how long one session key seals, at most.
const sessionLife = time.Hour

// Identity is what sessions are made of.
type Identity interface {
	Certificate() *tls.Certificate
	// IngestKey is the newest key that may be sealed to.
	IngestKey() (seal.IngestKey, error)
	// Learn keeps the keys that the cloud tells, newest first.
	Learn(keys []wire.IngestKey) error
}

// Sessions gives the session that seals now: a new one for another journal, for
// another ingest key, and before an hour has passed. Session keys are in memory
// only. All methods are safe for concurrent use.
type Sessions struct {
	identity Identity
	log      *slog.Logger

	mu      sync.Mutex
	current *seal.Session // guarded by mu
	key     string        // guarded by mu; id of the ingest key of current
	ends    time.Time     // guarded by mu; of current
}

// NewSessions begins without a session.
func NewSessions(identity Identity, log *slog.Logger) *Sessions {
	return &Sessions{identity: identity, log: log}
}

// Session is the session that seals for a journal now.
func (s *Sessions) Session(journal wire.JournalID) (*seal.Session, error) {
	key, err := s.identity.IngestKey()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.Journal() == journal && s.key == key.ID && time.Now().Before(s.ends) {
		return s.current, nil
	}
	session, err := seal.New(journal, key, *s.identity.Certificate())
	if err != nil {
		return nil, err
	}
	s.current, s.key = session, key.ID
	// With jitter, as all edges of a fleet may have started at one moment.
	s.ends = time.Now().Add(sessionLife - rand.N(sessionLife/4))
	return session, nil
}

// Learn is told of the ingest keys that new sessions may use, newest first.
func (s *Sessions) Learn(keys []wire.IngestKey) {
	if err := s.identity.Learn(keys); err != nil {
		s.log.Warn("ingest keys not kept", "error", err)
	}
}
