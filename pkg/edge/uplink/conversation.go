package uplink

import (
	"context"
	crand "crypto/rand"
	"math/rand/v2"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

// Message is one message up or down.
type Message struct {
	Stream  string
	Payload []byte
}

// Journal is what the conversation needs of the edge's journal.
type Journal interface {
	Current() wire.JournalID
	Held(ctx context.Context) ([]wire.Held, error)
	Read(ctx context.Context, id wire.JournalID, from uint64, maxBytes int) ([]wire.Entry, *wire.Loss, error)
	HashAt(ctx context.Context, id wire.JournalID, number uint64) (hash wire.Hash, known bool, err error)
	Object(ctx context.Context, name wire.Hash) ([]byte, error)
	GiveUp(ctx context.Context, id wire.JournalID, from uint64) error
	Begin(ctx context.Context, reason string, atLeast uint64, statements ...wire.Statement) error
	State(ctx context.Context, s wire.Statement) (news bool, err error)
	Statements(ctx context.Context) ([]wire.Statement, error)
	Blind() bool
	Sighted()
	Epoch() calms.Epoch
	SetEpoch(epoch calms.Epoch)
	Acknowledge(generation, cursor, covered uint64)
}

// Sessions gives the session that seals for a journal now.
type Sessions interface {
	Session(journal wire.JournalID) (*seal.Session, error)
	// Learn is told of the ingest keys that new sessions may use, newest first.
	Learn(keys []wire.IngestKey)
}

// Options of a conversation; zero fields mean their defaults.
type Options struct {
	Window       int           // bytes sent beyond the cursors; default 1 MiB
	HelloWait    time.Duration // for a welcome, doubled up to 16 times; default 5 s
	CursorWait   time.Duration // for a cursor message while something is in flight; default 15 s
	Refresh      time.Duration // after which hello is said again in an idle moment; default 10 min
	ReplayRate   int           // bytes a second while the cloud has begun a new epoch; default 512 KiB
	MaxMessage   int           // bytes of entries in one message; default 192 KiB
	Boot         [16]byte
	Registration wire.SignedRegistration
}

func (o Options) withDefaults() Options {
	if o.Window == 0 {
		o.Window = 1 << 20
	}
	if o.HelloWait == 0 {
		o.HelloWait = 5 * time.Second
	}
	if o.CursorWait == 0 {
		o.CursorWait = 15 * time.Second
	}
	if o.Refresh == 0 {
		o.Refresh = 10 * time.Minute
	}
	if o.ReplayRate == 0 {
		o.ReplayRate = 512 << 10
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 192 << 10
	}
	return o
}

// Conversation is the protocol of one edge with the cloud. It is not safe for
// concurrent use: one goroutine asks what is next and passes on what came.
type Conversation struct {
	journal  Journal
	sessions Sessions
	options  Options

	// One hello and what followed it.
	session *seal.Session // of the last hello, nil before the first
	nonce   [16]byte      // of the last hello
	talking bool          // its welcome came
	counter uint64        // of the newest cursor message
	asked   time.Time     // when hello was sent
	wait    time.Duration // for its welcome
	tries   int           // hellos without a welcome

	lanes    []*lane
	attempt  uint64             // grows with every rewind
	sent     map[wire.Hash]bool // objects sent on this connection
	queue    []Message
	progress time.Time // when a cursor last moved, or something was sent into silence
	pace     pace
}

// lane is the way of one journal to the cloud.
type lane struct {
	id     wire.JournalID
	cursor uint64
	next   uint64   // to be sent
	flight []flight // sent beyond the cursor, in order
}

// flight is one message on its way.
type flight struct {
	last  uint64 // number of its last entry
	bytes int
}

// NewConversation begins in silence: the first message is a hello.
func NewConversation(j Journal, s Sessions, o Options) *Conversation {
	o = o.withDefaults()
	return &Conversation{journal: j, sessions: s, options: o, sent: map[wire.Hash]bool{}, pace: pace{rate: o.ReplayRate}}
}

// Restart forgets what was sent: a new connection was made. The next message is
// a hello.
func (c *Conversation) Restart() {
	c.silence()
	c.tries = 0
}

// silence ends the present conversation so that the next message is a hello.
func (c *Conversation) silence() {
	c.talking, c.session = false, nil
	c.lanes, c.queue = nil, nil
	clear(c.sent)
	c.attempt++
}

// Next is the message to send now, nil where there is nothing to send before
// something comes in, is appended, or time passes.
func (c *Conversation) Next(ctx context.Context, now time.Time) (*Message, error) {
	if c.talking && (c.session.Journal() != c.journal.Current() || c.stalled(now)) {
		c.silence()
	}
	if !c.talking {
		if c.session != nil && now.Sub(c.asked) < c.wait {
			return nil, nil
		}
		return c.hello(ctx, now)
	}
	if len(c.queue) == 0 {
		if err := c.fill(ctx, now); err != nil {
			return nil, err
		}
	}
	if len(c.queue) == 0 {
		return nil, nil
	}
	m := c.queue[0]
	c.queue = c.queue[1:]
	return &m, nil
}

// stalled reports that it is time for another hello: something was sent and no
// cursor has moved for long, or the last hello is long ago. It says what the
// journal holds, which decides the replay margin; and a cloud that was restored
// behind an external broker is noticed by nothing else.
func (c *Conversation) stalled(now time.Time) bool {
	if c.inFlight() > 0 {
		return now.Sub(c.progress) >= c.options.CursorWait
	}
	return len(c.queue) == 0 && now.Sub(c.asked) >= c.options.Refresh
}

// patience is how long to wait for a welcome before the next hello; it doubles,
// with jitter, so that a fleet does not ask in step.
func (c *Conversation) patience() time.Duration {
	wait := c.options.HelloWait << min(max(c.tries-1, 0), 4)
	return wait/2 + rand.N(wait/2+1)
}

func (c *Conversation) inFlight() (bytes int) {
	for _, l := range c.lanes {
		for _, f := range l.flight {
			bytes += f.bytes
		}
	}
	return bytes
}

func (c *Conversation) hello(ctx context.Context, now time.Time) (*Message, error) {
	session, err := c.sessions.Session(c.journal.Current())
	if err != nil {
		return nil, err
	}
	held, err := c.journal.Held(ctx)
	if err != nil {
		return nil, err
	}
	statements, err := c.journal.Statements(ctx)
	if err != nil {
		return nil, err
	}
	c.silence()
	c.session, c.asked, c.counter = session, now, 0
	c.tries++
	c.wait = c.patience()
	crand.Read(c.nonce[:]) // never fails, see crypto/rand
	body := wire.Encode(wire.HelloBody{
		Registration: c.options.Registration, Session: session.Object(),
		Journals: newest(held), Statements: statements, Boot: c.options.Boot, Nonce: c.nonce,
	})
	c.sent[session.Name()] = true
	return &Message{wire.StreamHello, wire.Encode(wire.Hello{Body: body, MAC: session.MACUp(body)})}, nil
}

// maxHeld is how many journals a hello names.
const maxHeld = 32

// newest leaves out the oldest journals of too many, and empty ones that have
// ended.
func newest(held []wire.Held) []wire.Held {
	var named []wire.Held
	for i, h := range held {
		if h.Last > 0 || i == len(held)-1 {
			named = append(named, h)
		}
	}
	return named[max(0, len(named)-maxHeld):]
}

// Talking reports whether the cloud has answered on this connection.
func (c *Conversation) Talking() bool { return c.talking }
