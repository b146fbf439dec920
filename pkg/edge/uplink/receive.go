package uplink

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/crash"
	"go.calms.com/calms/pkg/wire"
)

// Receive takes a message down. One that is not from the cloud, or is an old
// one again, is of kind forbidden and changes nothing.
func (c *Conversation) Receive(ctx context.Context, now time.Time, m Message) error {
	crash.At("uplink.received")
	defer crash.At("uplink.handled")
	switch m.Stream {
	case wire.StreamHello:
		return c.welcome(ctx, now, m.Payload)
	case wire.StreamCursor:
		return c.cursor(ctx, now, m.Payload)
	default:
		return calms.Errorf(calms.KindInvalid, "there is no stream %.30q", m.Stream)
	}
}

func (c *Conversation) welcome(ctx context.Context, now time.Time, payload []byte) error {
	var m wire.Welcome
	if err := wire.Decode("welcome", payload, &m); err != nil {
		return err
	}
	if c.session == nil || !c.session.VerifyDown(m.Body, m.MAC) {
		return calms.Errorf(calms.KindForbidden, "welcome is not from the cloud, or to an earlier hello")
	}
	var body wire.WelcomeBody
	if err := wire.Decode("welcome", m.Body, &body); err != nil {
		return err
	}
	if body.Nonce != c.nonce || c.talking {
		return calms.Errorf(calms.KindForbidden, "welcome is to an earlier hello")
	}
	if before := c.journal.Epoch(); before != body.Epoch {
		c.journal.SetEpoch(body.Epoch)
		if before != (calms.Epoch{}) {
			c.pace.begin(now)
		}
	}
	c.sessions.Learn(body.IngestKeys)
	return c.enter(ctx, now, body)
}

// enter opens a lane for every journal that the cloud can go on with. Where it
// cannot go on with the current one, a new journal is begun, and greeted next.
func (c *Conversation) enter(ctx context.Context, now time.Time, body wire.WelcomeBody) error {
	c.tries, c.talking, c.progress = 0, true, now
	if err := c.outgrow(ctx, body.MaxGeneration); err != nil || !c.talking {
		return err
	}
	held, err := c.journal.Held(ctx)
	if err != nil {
		return err
	}
	for _, h := range held {
		position := find(body.Cursors, h.Journal)
		if position.Number > h.Last && h.Journal != c.session.Journal() {
			continue // its tail was lost when it ended; that is stated already
		}
		end, err := c.checkLane(ctx, h, position)
		if err != nil {
			return err
		}
		if end == "" {
			c.lanes = append(c.lanes, &lane{id: h.Journal, cursor: position.Number, next: position.Number + 1})
			c.journal.Acknowledge(h.Journal.Generation, position.Number, position.Covered)
			continue
		}
		if err := c.branchOff(ctx, h, end); err != nil || !c.talking {
			return err // the next hello tells, and its welcome is to the rest
		}
	}
	return nil
}

// outgrow leaves a journal whose generation was chosen blindly and is not above
// all that the cloud remembers. It happens once in a journal file's life: two
// copies of a disk that always did so would chase each other for ever.
func (c *Conversation) outgrow(ctx context.Context, known uint64) error {
	if !c.journal.Blind() {
		return nil
	}
	c.journal.Sighted()
	if known < c.session.Journal().Generation {
		return nil
	}
	c.silence()
	return c.journal.Begin(ctx, fmt.Sprintf("the cloud knows generation %d", known), known)
}

// branchOff states that a journal's end is not the cloud's, once, and begins a
// new one where it is the current one. The next hello tells.
func (c *Conversation) branchOff(ctx context.Context, h wire.Held, why string) error {
	branch := wire.Statement{Kind: wire.StatementBranch, Journal: h.Journal, Number: h.Last, Hash: h.Hash, Reason: why}
	if h.Journal == c.journal.Current() {
		c.silence()
		return c.journal.Begin(ctx, why, 0, branch)
	}
	news, err := c.journal.State(ctx, branch)
	if news {
		c.silence()
	}
	return err
}

func find(positions []wire.Position, id wire.JournalID) wire.Position {
	for _, p := range positions {
		if p.Journal == id {
			return p
		}
	}
	return wire.Position{Journal: id}
}

// checkLane says why a journal cannot go on, empty where it can.
func (c *Conversation) checkLane(ctx context.Context, h wire.Held, p wire.Position) (end string, err error) {
	if p.Number > h.Last {
		return fmt.Sprintf("the cloud has entry %d, the journal ends at %d", p.Number, h.Last), nil
	}
	hash, known, err := c.journal.HashAt(ctx, h.Journal, p.Number)
	if err != nil {
		return "", err
	}
	if known && hash != p.Hash {
		return fmt.Sprintf("entry %d of the journal is not the one that the cloud has", p.Number), nil
	}
	return "", nil
}

func (c *Conversation) cursor(ctx context.Context, now time.Time, payload []byte) error {
	var m wire.Cursor
	if err := wire.Decode("cursor", payload, &m); err != nil {
		return err
	}
	if !c.talking || !c.session.VerifyDown(m.Body, m.MAC) {
		return calms.Errorf(calms.KindForbidden, "cursor message is not from the cloud, or of an earlier conversation")
	}
	var body wire.CursorBody
	if err := wire.Decode("cursor", m.Body, &body); err != nil {
		return err
	}
	if body.Nonce != c.nonce || body.Counter <= c.counter {
		return calms.Errorf(calms.KindForbidden, "cursor message is an old one again")
	}
	c.counter = body.Counter
	if body.Epoch != c.journal.Epoch() {
		c.silence() // another life of the cloud answered a hello that it got once more
		return nil
	}
	for _, l := range c.lanes {
		if l.id != body.Journal {
			continue
		}
		if body.Forked {
			return c.leave(ctx, l.id)
		}
		c.advance(now, l, body)
		return c.giveUp(ctx, l, body.Need)
	}
	return nil
}

// giveUp declares lost what the cloud cannot open and never will: it lacks an
// object that is lost here too.
func (c *Conversation) giveUp(ctx context.Context, l *lane, need []wire.Hash) error {
	for _, name := range need {
		_, err := c.journal.Object(ctx, name)
		if err == nil {
			continue
		}
		if calms.KindOf(err) != calms.KindNotFound {
			return err
		}
		return c.journal.GiveUp(ctx, l.id, l.cursor+1)
	}
	return nil
}

// leave branches a journal off that the cloud says has forked.
func (c *Conversation) leave(ctx context.Context, id wire.JournalID) error {
	held, err := c.journal.Held(ctx)
	if err != nil {
		return err
	}
	for _, h := range held {
		if h.Journal == id {
			c.silence()
			return c.branchOff(ctx, h, "the cloud has other entries in this journal")
		}
	}
	return nil
}

// advance moves a lane's cursor, and rewinds where the cloud asks for it.
func (c *Conversation) advance(now time.Time, l *lane, body wire.CursorBody) {
	if body.Number > l.cursor {
		l.cursor, c.progress = body.Number, now
	}
	for len(l.flight) > 0 && l.flight[0].last <= l.cursor {
		l.flight = l.flight[1:]
	}
	l.next = max(l.next, l.cursor+1)
	c.journal.Acknowledge(l.id.Generation, l.cursor, body.Covered)
	for _, name := range body.Need {
		delete(c.sent, name)
	}
	// A rewind answers one message; those sent before the rewind are void.
	if body.Rewind && body.Attempt == c.attempt {
		c.attempt++
		c.rewind()
	}
}

// rewind sends everything beyond the cursors again: the attempt number is that
// of the whole conversation.
func (c *Conversation) rewind() {
	c.queue = slices.DeleteFunc(c.queue, func(m Message) bool { return m.Stream != wire.StreamObjects })
	for _, l := range c.lanes {
		l.flight, l.next = nil, l.cursor+1
	}
}
