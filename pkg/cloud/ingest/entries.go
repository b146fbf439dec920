package ingest

import (
	"context"
	"maps"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/crash"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

// openSession verifies and opens a session object, and remembers it.
func (d *device) openSession(object []byte) (*seal.Session, error) {
	name := wire.ObjectName(object)
	if s, ok := d.sessions[name]; ok {
		return s, nil
	}
	s, err := d.ingest.opener.Open(d.id, object)
	if err != nil {
		return nil, err
	}
	if len(d.sessions) >= maxSessions {
		clear(d.sessions) // all of them can be had again
	}
	d.sessions[name] = s
	return s, nil
}

// objects takes objects that later entries need. Sessions come before what is
// sealed under them.
func (d *device) objects(ctx context.Context, payload []byte) error {
	var m wire.Objects
	if err := wire.Decode("objects", payload, &m); err != nil {
		return err
	}
	for _, object := range m.Objects {
		if _, err := wire.DecodeSession(object); err == nil {
			if _, err := d.openSession(object); err != nil {
				return err
			}
			continue
		}
		if err := d.openList(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// openList opens a list of channels and remembers it.
func (d *device) openList(ctx context.Context, object []byte) error {
	list, err := wire.DecodeChannels(object)
	if err != nil {
		return err
	}
	session, err := d.findSession(ctx, list.Session)
	if err != nil {
		return err
	}
	if session == nil {
		return calms.Errorf(calms.KindNotFound, "channels of a session that did not come before them")
	}
	channels, err := session.OpenChannels(list)
	if err != nil {
		return err
	}
	for _, c := range channels {
		if _, err := calms.ParsePath("o/s/d/" + c.Name); err != nil {
			return err
		}
	}
	if len(d.lists) >= maxLists {
		clear(d.lists)
	}
	d.lists[wire.ObjectName(object)] = channels
	return nil
}

// entries opens those entries of a message that are next, commits them, and
// answers with the cursor.
func (d *device) entries(ctx context.Context, payload []byte) error {
	var m wire.Entries
	if err := wire.Decode("entries", payload, &m); err != nil {
		return err
	}
	if err := d.checkJournal(m.Journal); err != nil {
		return err
	}
	cursor, err := d.ingest.config.History.Position(ctx, m.Journal)
	if err != nil {
		return err
	}
	next, ahead := since(m.Entries, cursor)
	if len(next) == 0 {
		d.ingest.counts.duplicates.Add(uint64(len(m.Entries)))
		d.reply(answer{journal: m.Journal, cursor: cursor, attempt: m.Attempt, rewind: ahead})
		return nil
	}
	steps, objects, need, err := d.open(ctx, m.Journal, next)
	if err != nil {
		return err
	}
	crash.At("ingest.opened")
	out, err := d.ingest.config.History.Commit(ctx, m.Journal, steps, objects)
	if err != nil {
		return err
	}
	d.note(m.Journal, out)
	if out.Forked {
		d.alarmFork(m.Journal)
	}
	d.reply(answer{
		journal: m.Journal, cursor: out.Cursor, attempt: m.Attempt, need: need,
		rewind: ahead || out.Ahead || len(need) > 0, forked: out.Forked,
	})
	d.describe(ctx, next[:len(steps)])
	return nil
}

// note counts what a commit did.
func (d *device) note(id wire.JournalID, out replica.Outcome) {
	d.ingest.counts.add(out)
	d.ingest.replay.progress(d.id, id, out)
	if out.Stored > 0 || out.Lost > 0 {
		d.ingest.diskWorks()
	}
}

// since cuts a message to its consecutive entries from the one after the cursor
// on; ahead says that it has none of these but higher ones.
func since(entries []wire.Entry, cursor replica.Cursor) (next []wire.Entry, ahead bool) {
	for len(entries) > 0 && entries[0].Number <= cursor.Number {
		entries = entries[1:]
	}
	if len(entries) == 0 {
		return nil, false
	}
	if entries[0].Number != cursor.Number+1 {
		return nil, true
	}
	n := 1
	for n < len(entries) && entries[n].Number == entries[n-1].Number+1 {
		n++
	}
	return entries[:n], n < len(entries)
}

// open decrypts entries up to the first whose objects are not known; these are
// what is needed. Nothing that is not authentic gets out of it.
func (d *device) open(ctx context.Context, id wire.JournalID, entries []wire.Entry) (steps []replica.Step, objects []replica.Object, need []wire.Hash, err error) {
	used := map[wire.Hash]*seal.Session{}
	for _, e := range entries {
		session, missing, err := d.lookUp(ctx, e)
		if err != nil {
			return nil, nil, nil, err
		}
		if len(missing) > 0 {
			need = missing
			break
		}
		if session.Journal() != id {
			return nil, nil, nil, calms.Errorf(calms.KindForbidden, "entry %d of %s is sealed for %s", e.Number, id, session.Journal())
		}
		step, err := d.openEntry(session, id, e)
		if err != nil {
			return nil, nil, nil, err
		}
		used[session.Name()] = session
		steps = append(steps, step)
	}
	for s := range maps.Values(used) {
		objects = append(objects, replica.Object{Name: s.Name(), Content: s.Object()})
	}
	return steps, objects, need, nil
}

// findSession finds a session in memory or in the history, nil where neither
// has it.
func (d *device) findSession(ctx context.Context, name wire.Hash) (*seal.Session, error) {
	if s, ok := d.sessions[name]; ok {
		return s, nil
	}
	object, err := d.ingest.config.History.Object(ctx, d.id, name)
	if err == nil {
		return d.openSession(object)
	}
	if calms.KindOf(err) == calms.KindNotFound {
		return nil, nil
	}
	return nil, err
}

// lookUp finds the session of an entry, and says which objects must be asked
// for.
func (d *device) lookUp(ctx context.Context, e wire.Entry) (session *seal.Session, missing []wire.Hash, err error) {
	if session, err = d.findSession(ctx, e.Session); err != nil {
		return nil, nil, err
	}
	if session == nil {
		missing = append(missing, e.Session)
	}
	for _, name := range e.Objects {
		if _, ok := d.lists[name]; !ok {
			missing = append(missing, name)
		}
	}
	return session, missing, nil
}

func (d *device) openEntry(session *seal.Session, id wire.JournalID, e wire.Entry) (replica.Step, error) {
	s := replica.Step{Number: e.Number, Prev: e.Prev, Hash: e.Hash(id), Total: e.Total, Kind: e.Kind}
	err := d.checkJournal(id, e.Number, e.Total)
	if err != nil {
		return s, err
	}
	if s.Content, err = session.OpenEntry(e); err != nil {
		return s, err
	}
	switch e.Kind {
	case wire.KindBatch:
		err = d.openBatch(&s, e)
	case wire.KindAnchor:
		s.Anchor = new(wire.Anchor)
		err = wire.Decode("anchor", s.Content, s.Anchor)
	case wire.KindConfig:
		err = wire.Decode("config", s.Content, new(wire.Config))
	default:
		err = calms.Errorf(calms.KindInvalid, "entry %d is of %s, which this program does not know", e.Number, e.Kind).
			WithHint("update calms-cloudd")
	}
	return s, err
}

func (d *device) openBatch(s *replica.Step, e wire.Entry) error {
	if len(e.Objects) != 1 {
		return calms.Errorf(calms.KindInvalid, "batch %d names %d lists of channels, it needs one", e.Number, len(e.Objects))
	}
	decoded, err := d.ingest.codec.Decode(s.Content)
	if err != nil {
		return err
	}
	s.Batch, s.Channels = &decoded, d.lists[e.Objects[0]]
	return checkColumns(e.Number, decoded.Columns, len(s.Channels))
}

func checkColumns(number uint64, columns []batch.Column, channels int) error {
	for _, c := range columns {
		if c.Channel >= channels {
			return calms.Errorf(calms.KindInvalid, "batch %d has channel %d of %d", number, c.Channel+1, channels)
		}
	}
	return nil
}

// describe tells of channels that were not told of since the hello. That it
// fails is no reason to refuse samples: it is tried again after a restart.
func (d *device) describe(ctx context.Context, entries []wire.Entry) {
	for _, e := range entries {
		for _, name := range e.Objects {
			if d.told[name] {
				continue
			}
			if err := d.ingest.config.Devices.Describe(ctx, d.id, d.lists[name]); err != nil {
				d.ingest.config.Log.Warn("channels not described", "device", d.id, "error", err)
				continue
			}
			d.told[name] = true
		}
	}
}

// gap takes an authenticated statement that entries are lost.
func (d *device) gap(ctx context.Context, payload []byte) error {
	var m wire.Gap
	if err := wire.Decode("gap", payload, &m); err != nil {
		return err
	}
	if err := d.checkJournal(m.Journal, m.Last, m.Total); err != nil {
		return err
	}
	session, missing, err := d.lookUp(ctx, wire.Entry{Header: wire.Header{Session: m.Session}})
	if err != nil {
		return err
	}
	cursor, err := d.ingest.config.History.Position(ctx, m.Journal)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		d.reply(answer{journal: m.Journal, cursor: cursor, attempt: m.Attempt, rewind: true, need: missing})
		return nil
	}
	detail, err := session.OpenGap(m)
	if err != nil {
		return err
	}
	gap := replica.Gap{First: m.First, Last: m.Last, Hash: m.LastHash, Total: m.Total, Since: detail.From, Until: detail.To, Reason: detail.Reason}
	out, err := d.ingest.config.History.CommitGap(ctx, m.Journal, gap)
	if err != nil {
		return err
	}
	if out.Cursor.Number == gap.Last && cursor.Number < gap.Last {
		d.ingest.counts.gaps.Add(1)
		d.note(m.Journal, out)
		d.alarmLoss(m.Journal, gap, out.Lost)
	}
	d.reply(answer{journal: m.Journal, cursor: out.Cursor, attempt: m.Attempt, rewind: out.Ahead})
	return nil
}
