package uplink

import (
	"context"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

// fill queues what goes up next: the oldest journal first, as far as window and
// pace allow.
func (c *Conversation) fill(ctx context.Context, now time.Time) error {
	room := c.options.Window - c.inFlight()
	if room <= 0 || !c.pace.open(now) {
		return nil
	}
	for _, l := range c.lanes {
		sent, err := c.send(ctx, l, min(room, c.options.MaxMessage))
		if err != nil {
			return err
		}
		if sent > 0 {
			if c.inFlight() == sent {
				c.progress = now // silence is counted from here
			}
			c.pace.spend(now, sent)
			return nil
		}
	}
	c.pace.end() // everything is on its way
	return nil
}

// send queues the next message of a lane and returns its size; 0 at the end of
// the journal.
func (c *Conversation) send(ctx context.Context, l *lane, maxBytes int) (int, error) {
	entries, loss, err := c.journal.Read(ctx, l.id, l.next, maxBytes)
	switch {
	case err != nil:
		return 0, err
	case loss != nil:
		return c.sendGap(l, *loss), nil
	case len(entries) == 0:
		return 0, nil
	}
	if err := c.sendObjects(ctx, entries); err != nil {
		return 0, err
	}
	payload := wire.Encode(wire.Entries{Journal: l.id, Attempt: c.attempt, Entries: entries})
	c.launch(l, wire.StreamEntries, payload, entries[len(entries)-1].Number)
	return len(payload), nil
}

func (c *Conversation) sendGap(l *lane, loss wire.Loss) int {
	header := wire.GapHeader{
		Journal: l.id, First: loss.First, Last: loss.Last, LastHash: loss.Hash, Total: loss.Total,
		Session: c.session.Name(), Attempt: c.attempt,
	}
	payload := wire.Encode(c.session.SealGap(header, wire.GapDetail{From: loss.Since, To: loss.Until, Reason: loss.Reason}))
	c.launch(l, wire.StreamGap, payload, loss.Last)
	return len(payload)
}

func (c *Conversation) launch(l *lane, stream string, payload []byte, last uint64) {
	c.queue = append(c.queue, Message{stream, payload})
	l.flight = append(l.flight, flight{last, len(payload)})
	l.next = last + 1
}

// sendObjects queues the objects that entries need and that were not sent on
// this connection; sessions go first, since the others are sealed under them.
func (c *Conversation) sendObjects(ctx context.Context, entries []wire.Entry) error {
	for _, e := range entries {
		for _, name := range append([]wire.Hash{e.Session}, e.Objects...) {
			if err := c.sendObject(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Conversation) sendObject(ctx context.Context, name wire.Hash) error {
	if c.sent[name] {
		return nil
	}
	c.sent[name] = true
	object, err := c.journal.Object(ctx, name)
	if calms.KindOf(err) == calms.KindNotFound && err != nil {
		return nil // lost here; perhaps the cloud has it, else it will say so
	}
	if err != nil {
		return err
	}
	// Channel lists are sealed under a session that need not be their entry's.
	if list, err := wire.DecodeChannels(object); err == nil {
		if err := c.sendObject(ctx, list.Session); err != nil {
			return err
		}
	}
	c.queue = append(c.queue, Message{wire.StreamObjects, wire.Encode(wire.Objects{Objects: [][]byte{object}})})
	return nil
}

// pace slows replay down after the cloud began a new epoch: the whole fleet
// sends again at that time.
type pace struct {
	rate   int // bytes a second
	active bool
	free   time.Time // when the next message may go
}

func (p *pace) begin(now time.Time) { p.active, p.free = true, now }
func (p *pace) end()                { p.active = false }

func (p *pace) open(now time.Time) bool { return !p.active || !now.Before(p.free) }

func (p *pace) spend(now time.Time, bytes int) {
	if p.active {
		p.free = now.Add(time.Duration(bytes) * time.Second / time.Duration(p.rate))
	}
}
