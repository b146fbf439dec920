//go:build crashpoints

package replication_test

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/replication"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

type ctxType = context.Context

// realEdge is the real journal and conversation of one machine.
type realEdge struct {
	world       *real
	device      calms.DeviceID
	dir         string
	linked      bool
	certificate tls.Certificate
	keys        []wire.IngestKey // learnt; on disk in a real edge

	journal      *journal.Journal
	conversation *uplink.Conversation
	sessions     map[wire.JournalID]*seal.Session
	pending      []replication.SampleID
	up, down     []uplink.Message
	heard        bool // since the last tick
	sent         int  // entries and gaps

	// Outside the machine: the instrument's and the observer's.
	served  []replication.SampleID
	counted []replication.Entry
	samples map[string][]replication.SampleID // by sealed entry, of all edges of the device
	seen    map[uint64]uint64                 // by generation, up to where counted is known
}

func (e *realEdge) enrol() error {
	if e.journal != nil {
		return nil
	}
	var err error
	if e.certificate, err = e.world.pki.issue(e.device); err != nil {
		return err
	}
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return err
	}
	for _, k := range e.world.cloud.ingest.Keys() {
		e.keys = append(e.keys, wire.IngestKey{ID: k.ID, PublicKey: k.Public})
	}
	e.samples, e.seen = map[string][]replication.SampleID{}, map[uint64]uint64{}
	return e.start("")
}

func (e *realEdge) path() string { return filepath.Join(e.dir, "journal.db") }

// start is a start of the program: what was in memory is gone.
func (e *realEdge) start(wiped string) error {
	e.pending, e.sessions = nil, map[wire.JournalID]*seal.Session{}
	if err := e.open(wiped); err != nil {
		return err
	}
	return e.hello()
}

func (e *realEdge) open(wiped string) (err error) {
	if e.journal, err = journal.Open(ctx, e.path(), journal.Options{Device: e.device, Wiped: wiped}); err != nil {
		return err
	}
	e.conversation = uplink.NewConversation(e.journal, e, uplink.Options{Window: 3000, MaxMessage: 700})
	return e.note()
}

func (e *realEdge) stop() error {
	if e.journal == nil {
		return nil
	}
	return e.journal.Close()
}

// resume opens the journal again under a running program.
func (e *realEdge) resume() error {
	var err error
	e.journal, err = journal.Open(ctx, e.path(), journal.Options{Device: e.device})
	if err != nil {
		return err
	}
	e.conversation = uplink.NewConversation(e.journal, e, uplink.Options{Window: 3000, MaxMessage: 700})
	return e.hello()
}

func (e *realEdge) restart() error { return errors.Join(e.stop(), e.start("")) }

// Session is the session of a journal, see [uplink.Sessions].
func (e *realEdge) Session(id wire.JournalID) (*seal.Session, error) {
	if s := e.sessions[id]; s != nil {
		return s, nil
	}
	key, err := seal.ParseIngestKey(e.keys[0])
	if err != nil {
		return nil, err
	}
	s, err := seal.New(id, key, e.certificate)
	e.sessions[id] = s
	return s, err
}

// Learn notes ingest keys; a newer one is used from the next session on.
func (e *realEdge) Learn(keys []wire.IngestKey) {
	if len(keys) > 0 && keys[0].ID != e.keys[0].ID {
		e.keys = keys
		clear(e.sessions)
	}
}

func (e *realEdge) rotateCertificate() (err error) {
	if e.certificate, err = e.world.pki.issue(e.device); err != nil {
		return err
	}
	clear(e.sessions)
	return e.hello()
}

func (e *realEdge) sample() {
	e.world.ids++
	e.served = append(e.served, e.world.ids)
	e.pending = append(e.pending, e.world.ids)
}

// append makes a batch of what is in memory and journals it.
func (e *realEdge) append() error {
	if len(e.pending) == 0 {
		e.sample()
	}
	session, err := e.Session(e.journal.Current())
	if err != nil {
		return err
	}
	codec, err := batch.NewCodec()
	if err != nil {
		return err
	}
	var column batch.Column
	for _, id := range e.pending {
		column.Append(calms.Sample{Time: int64(id), Value: float64(id)})
	}
	plaintext, err := codec.Encode(batch.Batch{Boot: [16]byte{1}, Columns: []batch.Column{column}})
	if err != nil {
		return err
	}
	record := journal.Record{Kind: wire.KindBatch, Plaintext: plaintext, Samples: len(e.pending), Objects: [][]byte{session.SealChannels([]wire.Channel{{Name: "id"}})}}
	err = e.journal.Append(ctx, noting{session, e}, record)
	if err != nil {
		return err
	}
	e.pending = nil
	return e.note()
}

// noting tells the observer which samples are in an entry.
type noting struct {
	*seal.Session
	edge *realEdge
}

func (n noting) SealEntry(h wire.Header, plaintext []byte) wire.Entry {
	e := n.Session.SealEntry(h, plaintext)
	n.edge.samples[string(e.Sealed)] = slices.Clone(n.edge.pending)
	return e
}

// note looks for entries that have become durable.
func (e *realEdge) note() error {
	stat, err := e.journal.Stat(ctx)
	if err != nil {
		return err
	}
	for _, j := range stat.Journals {
		for e.seen[j.ID.Generation] < j.Head {
			next := e.seen[j.ID.Generation] + 1
			entries, _, err := e.journal.Read(ctx, j.ID, next, 1)
			if err != nil {
				return err
			}
			if len(entries) > 0 {
				e.count(j.ID, entries[0])
			}
			e.seen[j.ID.Generation] = next
		}
	}
	return nil
}

func (e *realEdge) count(id wire.JournalID, entry wire.Entry) {
	counted := replication.Entry{Journal: id.String(), Number: int(entry.Number), Hash: hashText(entry.Hash(id)), Samples: e.samples[string(entry.Sealed)]}
	if !entry.Prev.IsZero() {
		counted.Prev = hashText(entry.Prev)
	}
	e.counted = append(e.counted, counted)
}

func hashText(h wire.Hash) string { return hex.EncodeToString(h[:]) }

func (e *realEdge) hello() error {
	if !e.linked {
		return nil
	}
	e.conversation.Restart()
	return e.send()
}

// send lets the conversation send one message.
func (e *realEdge) send() error {
	if !e.linked {
		return nil
	}
	m, err := e.conversation.Next(ctx, e.world.now)
	if err != nil || m == nil {
		return err
	}
	switch m.Stream {
	case wire.StreamObjects:
		e.up = push(e.up, *m)
		return e.send() // what needs them comes at once
	case wire.StreamEntries:
		var entries wire.Entries
		if err := wire.Decode("entries", m.Payload, &entries); err != nil {
			return err
		}
		e.sent += len(entries.Entries)
	case wire.StreamGap:
		e.sent++
	}
	e.up = push(e.up, *m)
	return nil
}

func (e *realEdge) deliverUp(n int, device calms.DeviceID) error {
	m, rest, ok := pull(e.up, n)
	if !ok {
		return nil
	}
	e.up = rest
	return e.world.cloud.take(e, device, m)
}

func (e *realEdge) deliverDown(n int) error {
	if !e.linked {
		return nil
	}
	m, rest, ok := pull(e.down, n)
	if !ok {
		return nil
	}
	e.down = rest
	err := e.conversation.Receive(ctx, e.world.now, m)
	if calms.KindOf(err) == calms.KindForbidden {
		return nil // an old message again, or to an earlier hello
	}
	e.heard = err == nil
	return errors.Join(err, e.note())
}

// crash dies at a step and starts again.
func (e *realEdge) crash(step replication.Step, n int) error {
	points := map[replication.Step]string{
		replication.Sealed: "journal.sealed", replication.Written: "journal.written", replication.Synced: "journal.committed",
		replication.CursorReceived: "uplink.received", replication.CursorStored: "uplink.handled",
	}
	point, f := points[step], e.append
	switch step {
	case replication.SampleTaken, replication.Encoded:
		f = func() error { e.sample(); return nil }
	case replication.Written:
		if n%2 == 1 {
			point = points[replication.Synced]
		}
	case replication.Sent:
		f = e.send
	case replication.CursorReceived, replication.CursorStored:
		f = func() error { return e.deliverDown(n) }
	}
	if _, err := crashing(point, f); err != nil {
		return err
	}
	return e.restart()
}

func (e *realEdge) evict(entries int) error {
	for range entries {
		if err := e.journal.Evict(ctx, 1); err != nil {
			return err
		}
	}
	return nil
}

// loseTail takes the last entries off the current journal, and with them
// everything that the file knows of them but its head.
func (e *realEdge) loseTail(entries int) error {
	generation := e.journal.Current().Generation
	return e.harm(`DELETE FROM entries WHERE generation = $1 AND number > (SELECT head FROM journals WHERE generation = $1) - $2`, generation, entries)
}

// damage takes entries out of wherever they stand.
func (e *realEdge) damage(first, entries int) error {
	held := e.held()
	var all []replication.Position
	for _, h := range held {
		for _, r := range h.Ranges {
			for n := r.First; n <= r.Last; n++ {
				all = append(all, replication.Position{Journal: h.Journal, Number: n})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	at := all[first%len(all)]
	for _, h := range held {
		if h.Journal == at.Journal {
			stat, err := e.journal.Stat(ctx)
			if err != nil {
				return err
			}
			for _, j := range stat.Journals {
				if j.ID.String() == at.Journal {
					return e.harm(`DELETE FROM entries WHERE generation = $1 AND number BETWEEN $2 AND $3`, j.ID.Generation, at.Number, at.Number+entries-1)
				}
			}
		}
	}
	return nil
}

// harm changes the file behind the journal's back, and starts the edge again.
func (e *realEdge) harm(query string, args ...any) error {
	if err := e.stop(); err != nil {
		return err
	}
	db, err := store.Open(ctx, e.path(), journal.Migrations())
	if err != nil {
		return err
	}
	err = db.Update(ctx, func(tx store.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return e.start("")
}

func (e *realEdge) wipe() error {
	if err := e.stop(); err != nil {
		return err
	}
	if err := os.RemoveAll(e.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return err
	}
	// Journals of before are other ones than those of the same generation now.
	e.seen = map[uint64]uint64{}
	return e.start("wiped")
}

// held is what the file has, in ascending ranges.
func (e *realEdge) held() (held []replication.Holding) {
	stat, err := e.journal.Stat(ctx)
	if err != nil {
		return nil
	}
	for _, j := range stat.Journals {
		h := replication.Holding{Journal: j.ID.String()}
		for n := uint64(1); n <= j.Head; {
			entries, loss, err := e.journal.Read(ctx, j.ID, n, 1<<30)
			if err != nil || (loss == nil && len(entries) == 0) {
				break
			}
			if loss != nil {
				n = loss.Last + 1
				continue
			}
			h.Ranges = append(h.Ranges, replication.Range{First: int(n), Last: int(n) + len(entries) - 1})
			n += uint64(len(entries))
		}
		held = append(held, h)
	}
	return held
}

func (e *realEdge) observe() (replication.Edge, error) {
	o := replication.Edge{Device: string(e.device), Served: slices.Clone(e.served), Counted: slices.Clone(e.counted), Sent: e.sent, Up: len(e.up), Down: len(e.down)}
	if e.journal == nil {
		return o, nil
	}
	stat, err := e.journal.Stat(ctx)
	if err != nil {
		return o, err
	}
	for _, j := range stat.Journals {
		o.Acked = append(o.Acked, replication.Position{Journal: j.ID.String(), Number: int(j.Cursor)})
	}
	if epoch := e.journal.Epoch(); epoch != (calms.Epoch{}) {
		o.Epoch = epoch.String()
	}
	o.Held = e.held()
	return o, nil
}

// Observe says what an outsider can know.
func (w *real) Observe() replication.Observation {
	var o replication.Observation
	errs := []error{w.cloud.observe(&o)}
	for _, e := range w.edges {
		edge, err := e.observe()
		errs = append(errs, err)
		o.Edges = append(o.Edges, edge)
	}
	if err := errors.Join(errs...); err != nil {
		panic(err)
	}
	return o
}
