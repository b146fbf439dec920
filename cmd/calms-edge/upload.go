package main

import (
	"context"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/wire"
)

// upload is what goes to the cloud, as the uplink sees it: the journal, and
// before it the exports that were brought in.
type upload struct{ *keeper }

var _ uplink.Journal = upload{}

// Held lists the imported journals, then the edge's own; the last is current.
func (u upload) Held(ctx context.Context) ([]wire.Held, error) {
	own, err := ask(ctx, u.keeper, func(j *journal.Journal) ([]wire.Held, error) { return j.Held(ctx) })
	if err != nil {
		return nil, err
	}
	return append(u.imports.held(own), own...), nil
}

// Read reads from the edge's own journal; what that does not hold (any more)
// comes from an import, where one has it.
func (u upload) Read(ctx context.Context, id wire.JournalID, from uint64, maxBytes int) ([]wire.Entry, *wire.Loss, error) {
	var loss *wire.Loss
	entries, err := ask(ctx, u.keeper, func(j *journal.Journal) (entries []wire.Entry, err error) {
		entries, loss, err = j.Read(ctx, id, from, maxBytes)
		return entries, err
	})
	if err != nil || len(entries) > 0 {
		return entries, nil, err
	}
	entries, brought, err := u.imports.read(ctx, id, from, maxBytes)
	if err != nil || len(entries) > 0 {
		return entries, nil, err
	}
	if loss == nil {
		loss = brought
	}
	return nil, loss, nil
}

// HashAt is the hash of an entry.
func (u upload) HashAt(ctx context.Context, id wire.JournalID, number uint64) (hash wire.Hash, known bool, err error) {
	err = u.with(ctx, func(j *journal.Journal) (err error) {
		hash, known, err = j.HashAt(ctx, id, number)
		return err
	})
	if err != nil || known {
		return hash, known, err
	}
	return u.imports.hashAt(ctx, id, number)
}

// Object returns an object from wherever it is.
func (u upload) Object(ctx context.Context, name wire.Hash) ([]byte, error) {
	object, err := ask(ctx, u.keeper, func(j *journal.Journal) ([]byte, error) { return j.Object(ctx, name) })
	if calms.KindOf(err) == calms.KindNotFound {
		return u.imports.object(ctx, name)
	}
	return object, err
}

// GiveUp declares entries of the edge's own journal lost whose objects are. An
// imported file is left as it is: another export may hold them.
func (u upload) GiveUp(ctx context.Context, id wire.JournalID, from uint64) error {
	return u.with(ctx, func(j *journal.Journal) error { return j.GiveUp(ctx, id, from) })
}

// Begin begins a new journal.
func (u upload) Begin(ctx context.Context, reason string, atLeast uint64, statements ...wire.Statement) error {
	u.log.Warn("new journal", "reason", reason)
	return u.with(ctx, func(j *journal.Journal) error { return j.Begin(ctx, reason, atLeast, statements...) })
}

// State keeps a statement about the end of a journal; those about imported ones
// are not news, as they are over.
func (u upload) State(ctx context.Context, s wire.Statement) (bool, error) {
	if u.imports.only(s.Journal) {
		return false, nil
	}
	return ask(ctx, u.keeper, func(j *journal.Journal) (bool, error) { return j.State(ctx, s) })
}

// Statements is what hello must tell.
func (u upload) Statements(ctx context.Context) ([]wire.Statement, error) {
	return ask(ctx, u.keeper, func(j *journal.Journal) ([]wire.Statement, error) { return j.Statements(ctx) })
}

// marked does something with the marks of the journal, if it can be opened: they
// are learnt again from the next welcome.
func (u upload) marked(do func(*journal.Journal)) {
	if j, err := u.get(context.Background()); err == nil {
		do(j)
	}
}

// Blind reports whether the cloud may know larger generations.
func (u upload) Blind() (blind bool) {
	u.marked(func(j *journal.Journal) { blind = j.Blind() })
	return blind
}

// Sighted says that it has told.
func (u upload) Sighted() { u.marked((*journal.Journal).Sighted) }

// Epoch is the cloud's as of the last welcome.
func (u upload) Epoch() (epoch calms.Epoch) {
	u.marked(func(j *journal.Journal) { epoch = j.Epoch() })
	return epoch
}

// SetEpoch notes the cloud's.
func (u upload) SetEpoch(epoch calms.Epoch) {
	u.marked(func(j *journal.Journal) { j.SetEpoch(epoch) })
}

// Acknowledge notes the cloud's cursor.
func (u upload) Acknowledge(generation, cursor, covered uint64) {
	u.imports.acknowledge(generation, cursor)
	u.marked(func(j *journal.Journal) { j.Acknowledge(generation, cursor, covered) })
}
