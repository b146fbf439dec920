package uplink

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/crash"
)

// Link is one connection that carries messages. It may lose, repeat, delay or
// reorder them.
type Link interface {
	// Publish hands a message over, or fails; that it returns nil says nothing
	// about whether the cloud has it.
	Publish(ctx context.Context, m Message) error
	// Messages is what comes down; it is never closed.
	Messages() <-chan Message
	// Done is closed when the connection is gone.
	Done() <-chan struct{}
	// Close ends the connection at once.
	Close()
}

// Config of an uplink; all fields but Options are needed.
type Config struct {
	Journal  Journal
	Sessions Sessions
	Dial     func(ctx context.Context) (Link, error)
	Options  Options
	Log      *slog.Logger
}

// Bounds of the wait between two attempts to connect, which doubles from the
// first to the second; the actual wait is anything below it ("full jitter"), so
// that a fleet whose broker comes back does not return all at once.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// tick is how often an idle uplink looks at the clock.
const tick = 200 * time.Millisecond

// Uplink keeps a conversation with the cloud going. Its methods are safe for
// concurrent use.
type Uplink struct {
	config Config
	wake   chan struct{}

	mu     sync.Mutex // guards status
	status Status
}

// Status is how the uplink is getting on.
type Status struct {
	Connected bool      `json:"connected"` // to the broker
	Talking   bool      `json:"talking"`   // and the cloud has answered
	Since     time.Time `json:"since"`     // when Connected last changed
	Sent      uint64    `json:"sent"`      // messages up
	SentBytes uint64    `json:"sentBytes"`
	Received  uint64    `json:"received"` // messages down that were taken
	Refused   uint64    `json:"refused"`  // messages down that were not the cloud's, or old
	LastError string    `json:"lastError,omitempty"`
}

// New makes an uplink; Run runs it.
func New(config Config) *Uplink {
	return &Uplink{config: config, wake: make(chan struct{}, 1), status: Status{Since: time.Now()}}
}

// Wake says that the journal has something new.
func (u *Uplink) Wake() {
	select {
	case u.wake <- struct{}{}:
	default: // it has been said already
	}
}

// Status tells how the uplink is getting on.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

func (u *Uplink) update(f func(*Status)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.status)
}

// Run connects, and connects again, until ctx ends. Nothing that happens to the
// link ends it.
func (u *Uplink) Run(ctx context.Context) error {
	conversation := NewConversation(u.config.Journal, u.config.Sessions, u.config.Options)
	wait := firstRetry
	for ctx.Err() == nil {
		talked, err := u.connect(ctx, conversation)
		if ctx.Err() != nil {
			break
		}
		if talked {
			wait = firstRetry
		}
		pause := rand.N(wait)
		wait = min(2*wait, lastRetry)
		u.update(func(s *Status) { s.LastError = err.Error() })
		u.config.Log.Info("uplink down", "error", err, "retry", pause.Round(time.Millisecond))
		sleep(ctx, pause)
	}
	return ctx.Err()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// connect makes one connection and uses it until it fails.
func (u *Uplink) connect(ctx context.Context, c *Conversation) (talked bool, err error) {
	link, err := u.config.Dial(ctx)
	if err != nil {
		return false, calms.Wrap("connect to broker", err)
	}
	defer link.Close()
	u.update(func(s *Status) { s.Connected, s.Since, s.LastError = true, time.Now(), "" })
	defer u.update(func(s *Status) { s.Connected, s.Talking, s.Since = false, false, time.Now() })
	u.config.Log.Info("uplink up")
	c.Restart()
	for {
		if err := u.step(ctx, c, link); err != nil {
			return talked, err
		}
		talked = talked || c.Talking()
		u.update(func(s *Status) { s.Talking = c.Talking() })
	}
}

var errLinkGone = errors.New("the connection to the broker is gone")

// step sends the next message, or waits for something to happen.
func (u *Uplink) step(ctx context.Context, c *Conversation, link Link) error {
	select { // what came is more urgent than what goes
	case m := <-link.Messages():
		u.receive(ctx, c, m)
		return nil
	default:
	}
	m, err := c.Next(ctx, time.Now())
	if err != nil {
		return err
	}
	if m != nil {
		return u.publish(ctx, link, *m)
	}
	timer := time.NewTimer(tick)
	defer timer.Stop()
	select {
	case m := <-link.Messages():
		u.receive(ctx, c, m)
	case <-u.wake:
	case <-timer.C:
	case <-link.Done():
		return errLinkGone
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (u *Uplink) publish(ctx context.Context, link Link, m Message) error {
	if err := link.Publish(ctx, m); err != nil {
		return err
	}
	crash.At("uplink.published")
	u.update(func(s *Status) { s.Sent++; s.SentBytes += uint64(len(m.Payload)) })
	return nil
}

func (u *Uplink) receive(ctx context.Context, c *Conversation, m Message) {
	if err := c.Receive(ctx, time.Now(), m); err != nil {
		u.update(func(s *Status) { s.Refused++ })
		u.config.Log.Warn("message down refused", "stream", m.Stream, "error", err)
		return
	}
	u.update(func(s *Status) { s.Received++ })
}
