package ingest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/crash"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

// Limits of what is remembered of one device, in memory.
const (
	maxJournals   = 64  // in one hello
	maxStatements = 256 // in one hello
	maxSessions   = 64  // opened sessions and unstored session objects
	maxLists      = 64  // channel lists

	// maxNumber bounds generations, entry numbers and totals: a database column
	// holds them and what follows them.
	maxNumber = 1 << 62
)

// device is one device's conversation. All of it can be lost: the edge says
// hello again.
type device struct {
	ingest *Ingest
	id     calms.DeviceID

	mu       sync.Mutex // guards what follows; held for a whole message
	path     calms.Path // empty before the first hello
	current  *seal.Session
	nonce    [16]byte
	counter  uint64
	sessions map[wire.Hash]*seal.Session
	lists    map[wire.Hash][]wire.Channel
	told     map[wire.Hash]bool // channel lists that Devices was told of
}

func newDevice(i *Ingest, id calms.DeviceID) *device {
	return &device{
		ingest: i, id: id,
		sessions: map[wire.Hash]*seal.Session{}, lists: map[wire.Hash][]wire.Channel{}, told: map[wire.Hash]bool{},
	}
}

// name is what alarms call the device.
func (d *device) name() string {
	if d.path != "" {
		return string(d.path)
	}
	return string(d.id)
}

func (d *device) handle(ctx context.Context, stream string, payload []byte) error {
	crash.At("ingest.received")
	switch stream {
	case wire.StreamHello:
		return d.hello(ctx, payload)
	case wire.StreamObjects:
		return d.objects(ctx, payload)
	case wire.StreamEntries:
		return d.entries(ctx, payload)
	case wire.StreamGap:
		return d.gap(ctx, payload)
	default:
		return calms.Errorf(calms.KindInvalid, "there is no stream %.30q", stream)
	}
}

// hello opens a conversation and answers with what the cloud holds.
func (d *device) hello(ctx context.Context, payload []byte) error {
	var hello wire.Hello
	if err := wire.Decode("hello", payload, &hello); err != nil {
		return err
	}
	var body wire.HelloBody
	if err := wire.Decode("hello", hello.Body, &body); err != nil {
		return err
	}
	session, err := d.openSession(body.Session)
	if err != nil {
		return err
	}
	if !session.VerifyUp(hello.Body, hello.MAC) {
		return calms.Errorf(calms.KindForbidden, "hello is not what the device said")
	}
	if err := d.checkHello(body); err != nil {
		return err
	}
	if d.path, err = d.ingest.config.Devices.Admit(ctx, d.id, body.Registration); err != nil {
		return err
	}
	if err := d.ingest.config.History.Seen(ctx, body.Journals, body.Statements); err != nil {
		return err
	}
	if d.nonce != body.Nonce { // a repeated hello must not set the counter back
		d.nonce, d.counter = body.Nonce, 0
	}
	d.current = session
	clear(d.told) // what was deleted meanwhile is described again
	d.alarmStatements(body.Statements)
	return d.welcome(ctx, body.Journals)
}

func (d *device) checkHello(body wire.HelloBody) error {
	if len(body.Journals) > maxJournals || len(body.Statements) > maxStatements {
		return calms.Errorf(calms.KindInvalid, "hello names %d journals and %d statements, at most %d and %d are taken",
			len(body.Journals), len(body.Statements), maxJournals, maxStatements)
	}
	for _, h := range body.Journals {
		if err := d.checkJournal(h.Journal, h.First, h.Last); err != nil {
			return calms.Wrap("hello", err)
		}
	}
	for _, s := range body.Statements {
		if err := d.checkJournal(s.Journal, s.Number); err != nil {
			return calms.Wrap("hello", err)
		}
	}
	return nil
}

// checkJournal refuses what is said of a journal of another device, and numbers
// that no journal reaches.
func (d *device) checkJournal(id wire.JournalID, numbers ...uint64) error {
	if id.Device != d.id {
		return calms.Errorf(calms.KindForbidden, "%s speaks of a journal of %s", d.id, id.Device)
	}
	if highest := max(id.Generation, slices.Max(append(numbers, 0))); highest > maxNumber {
		return calms.Errorf(calms.KindInvalid, "number %d of journal %s is out of range", highest, id)
	}
	return nil
}

func (d *device) welcome(ctx context.Context, held []wire.Held) error {
	journals, err := d.ingest.config.History.Journals(ctx, d.id)
	if err != nil {
		return err
	}
	d.ingest.replay.hello(d.id, held, journals)
	body := wire.WelcomeBody{Epoch: d.ingest.config.History.Epoch(), Nonce: d.nonce, IngestKeys: d.ingest.keys.wireKeys()}
	for _, j := range journals {
		if j.ID != d.current.Journal() {
			body.MaxGeneration = max(body.MaxGeneration, j.ID.Generation)
		}
		if slices.ContainsFunc(held, func(h wire.Held) bool { return h.Journal == j.ID }) {
			body.Cursors = append(body.Cursors, position(j.ID, j.Cursor))
		}
	}
	encoded := wire.Encode(body)
	d.send(wire.StreamHello, wire.Encode(wire.Welcome{Body: encoded, MAC: d.current.MACDown(encoded)}))
	return nil
}

func position(id wire.JournalID, c replica.Cursor) wire.Position {
	return wire.Position{Journal: id, Number: c.Number, Hash: c.Hash, Covered: c.Covered}
}

// send passes a message down. It may get lost like any other.
func (d *device) send(stream string, payload []byte) {
	if err := d.ingest.config.Link.Publish(d.id, stream, payload); err != nil {
		d.ingest.config.Log.Debug("message down not sent", "device", d.id, "stream", stream, "error", err)
	}
	crash.At("ingest.replied")
}

// answer is what a cursor message says.
type answer struct {
	journal        wire.JournalID
	cursor         replica.Cursor
	attempt        uint64 // of the message that is answered
	rewind, forked bool
	need           []wire.Hash
}

// reply is the cursor message. Without a hello since the start there is no key
// that the edge would believe: it will say hello when it hears nothing.
func (d *device) reply(a answer) {
	if d.current == nil {
		return
	}
	d.counter++
	body := wire.Encode(wire.CursorBody{
		Epoch: d.ingest.config.History.Epoch(), Nonce: d.nonce, Counter: d.counter,
		Position: position(a.journal, a.cursor), Rewind: a.rewind, Forked: a.forked, Attempt: a.attempt, Need: a.need,
	})
	d.send(wire.StreamCursor, wire.Encode(wire.Cursor{Body: body, MAC: d.current.MACDown(body)}))
}

// alarmFork says that a journal has forked.
func (d *device) alarmFork(id wire.JournalID) {
	d.ingest.config.Alarms.Raise(AlarmFork, d.name(), "critical",
		fmt.Sprintf("journal %s has forked: entries that do not follow the ones stored here are refused", id.Name()),
		"look for a copied disk: calmsctl device get "+d.name())
}

// alarmStatements raises what the edge itself says of its journals' ends.
func (d *device) alarmStatements(statements []wire.Statement) {
	for _, s := range statements {
		if s.Kind == wire.StatementBranch {
			d.alarmFork(s.Journal)
			continue
		}
		d.ingest.config.Alarms.Raise(AlarmLoss, d.name(), "critical",
			fmt.Sprintf("%s: what came after entry %d of journal %s is lost (%s)", s.Kind, s.Number, s.Journal.Name(), s.Reason),
			"calmsctl device get "+d.name()+" shows its journals")
	}
}

// alarmLoss says that samples are lost.
func (d *device) alarmLoss(id wire.JournalID, gap replica.Gap, samples uint64) {
	d.ingest.config.Alarms.Raise(AlarmLoss, d.name(), "critical",
		fmt.Sprintf("%d samples of journal %s are lost (entries %d to %d, %s)", samples, id.Name(), gap.First, gap.Last, gap.Reason),
		"calmsctl device get "+d.name()+" shows the gap ledger")
}

// The kinds of alarm that ingest raises about a device.
const (
	AlarmFork = "fork"
	AlarmLoss = "loss"
)
