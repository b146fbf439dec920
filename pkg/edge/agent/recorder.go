package agent

import (
	"context"
	"sync"
	"time"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/crash"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

// Entry is one journal entry before it is sealed.
type Entry struct {
	Kind         wire.EntryKind
	Plaintext    []byte
	Samples      int
	Since, Until int64    // UTC nanoseconds of its samples, 0 where unknown
	Objects      [][]byte // beside the session that the plaintext needs
}

// Journal is where entries are kept.
type Journal interface {
	Current() wire.JournalID
	// Reason says why the current journal was begun.
	Reason(ctx context.Context) (string, error)
	// Append stores one entry durably, or nothing of it. A session of another
	// journal than the current one is an error.
	Append(ctx context.Context, s *seal.Session, e Entry) error
}

// Clock is the time that samples are stamped with.
type Clock interface {
	Mono() int64
	Boot() [16]byte
	// Anchor is the anchor in force, if UTC is known.
	Anchor() (wire.Anchor, bool)
}

// Config of a recorder. All fields but Wake are needed.
type Config struct {
	Journal  Journal
	Sessions *Sessions
	Clock    Clock
	Codec    *batch.Codec
	Channels []wire.Channel // that columns name by their index
	Notes    *Notes
	Version  string    // of the program
	Digest   wire.Hash // of the configuration
	Wake     func()    // after an append
}

// Recorder brings batches into the journal. Its methods are safe for concurrent
// use.
type Recorder struct {
	config Config

	mu       sync.Mutex
	session  wire.Hash // guarded by mu; that channels is sealed under
	channels []byte    // guarded by mu; the object of the channel list
	status   RecorderStatus
}

// RecorderStatus tells how recording goes.
type RecorderStatus struct {
	Batches   uint64    `json:"batches"` // stored since the start
	Last      time.Time `json:"last"`    // when the newest was stored; zero before the first
	LastError string    `json:"lastError,omitempty"`
}

// NewRecorder begins where the notes say that an earlier process ended.
func NewRecorder(config Config) *Recorder {
	return &Recorder{config: config}
}

// Status tells how recording goes.
func (r *Recorder) Status() RecorderStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// attempts bounds how often a new journal may begin under one record.
const attempts = 4

// Record stores a batch, whose Boot is set here. When it returns nil the batch
// is on disk; when it returns an error nothing of it is.
func (r *Recorder) Record(ctx context.Context, b batch.Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.record(ctx, b)
	r.status.LastError = ""
	if err != nil {
		r.status.LastError = err.Error()
		return err
	}
	r.status.Batches++
	r.status.Last = time.Now()
	if r.config.Wake != nil {
		r.config.Wake()
	}
	return nil
}

func (r *Recorder) record(ctx context.Context, b batch.Batch) error {
	b.Boot = r.config.Clock.Boot()
	plaintext, err := r.config.Codec.Encode(b)
	if err != nil {
		return err
	}
	crash.At("agent.encoded")
	e := Entry{Kind: wire.KindBatch, Plaintext: plaintext, Samples: b.Samples()}
	if anchor, known := r.config.Clock.Anchor(); known {
		first, last := b.Span()
		e.Since, e.Until = first+anchor.Offset(), last+anchor.Offset()
	}
	for range attempts {
		journal := r.config.Journal.Current()
		if err = r.store(ctx, journal, e); err == nil || r.config.Journal.Current() == journal {
			return err
		}
		// A new journal was begun meanwhile: seal for that one.
	}
	return err
}

// store brings a batch into a journal, and before it what it needs there.
func (r *Recorder) store(ctx context.Context, journal wire.JournalID, e Entry) error {
	session, err := r.config.Sessions.Session(journal)
	if err != nil {
		return err
	}
	if err := r.tell(ctx, session); err != nil {
		return err
	}
	if r.session != session.Name() {
		r.session, r.channels = session.Name(), session.SealChannels(r.config.Channels)
	}
	e.Objects = [][]byte{r.channels}
	return r.config.Journal.Append(ctx, session, e)
}

// tell writes what the journal must say before its next batch: what is in force,
// where that is new, and the anchor in force.
func (r *Recorder) tell(ctx context.Context, session *seal.Session) error {
	told := r.config.Notes.Told()
	if told.Journal != session.Journal().Name() {
		told = Told{Journal: session.Journal().Name()}
	}
	if told.Version != r.config.Version || told.Digest != r.config.Digest {
		if err := r.tellConfig(ctx, session, told); err != nil {
			return err
		}
		told.Version, told.Digest = r.config.Version, r.config.Digest
		r.config.Notes.Tell(told)
	}
	anchor, known := r.config.Clock.Anchor()
	if !known || told.Anchor == anchor {
		return nil
	}
	if err := r.config.Journal.Append(ctx, session, Entry{Kind: wire.KindAnchor, Plaintext: wire.Encode(anchor)}); err != nil {
		return err
	}
	told.Anchor = anchor
	r.config.Notes.Tell(told)
	return nil
}

func (r *Recorder) tellConfig(ctx context.Context, session *seal.Session, told Told) error {
	reason := "configuration changed"
	switch {
	case told.Version == "":
		var err error
		if reason, err = r.config.Journal.Reason(ctx); err != nil {
			return calms.Wrap("why was the journal begun", err)
		}
	case told.Version != r.config.Version:
		reason = "program changed"
	}
	c := wire.Config{
		Boot: r.config.Clock.Boot(), Mono: r.config.Clock.Mono(),
		Version: r.config.Version, Digest: r.config.Digest, Reason: reason,
	}
	return r.config.Journal.Append(ctx, session, Entry{Kind: wire.KindConfig, Plaintext: wire.Encode(c)})
}
