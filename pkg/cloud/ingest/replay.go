package ingest

import (
	"sync"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/wire"
)

// replay follows how the edges catch up after a restore. It lives in memory
// only, from the restore to the next start.
type replay struct {
	mu      sync.Mutex // guards what follows
	running bool
	devices map[calms.DeviceID]*Replayed
}

// Replayed is how far one device has caught up since the restore.
type Replayed struct {
	Journals map[wire.JournalID]Progress
	Entries  uint64 // stored since the restore
	Lost     uint64 // samples in gaps since then
}

// Progress is the replay of one journal.
type Progress struct {
	Cursor uint64
	Head   uint64 // at the first hello after the restore
	Forked bool   // some of it is a branch that is refused
}

// CaughtUp reports whether everything that the edge had at its first hello has
// arrived.
func (r Replayed) CaughtUp() bool {
	for _, p := range r.Journals {
		if p.Cursor < p.Head && !p.Forked {
			return false
		}
	}
	return true
}

// BeginReplay follows the edges from now on: a restore has just ended.
func (i *Ingest) BeginReplay() {
	i.replay.mu.Lock()
	defer i.replay.mu.Unlock()
	i.replay.running, i.replay.devices = true, map[calms.DeviceID]*Replayed{}
}

// Replay tells, by device, how those that have said hello since the restore are
// getting on; false where this daemon has not been restored since its start.
func (i *Ingest) Replay() (map[calms.DeviceID]Replayed, bool) {
	i.replay.mu.Lock()
	defer i.replay.mu.Unlock()
	devices := make(map[calms.DeviceID]Replayed, len(i.replay.devices))
	for id, r := range i.replay.devices {
		journals := make(map[wire.JournalID]Progress, len(r.Journals))
		for j, p := range r.Journals {
			journals[j] = p
		}
		devices[id] = Replayed{Journals: journals, Entries: r.Entries, Lost: r.Lost}
	}
	return devices, i.replay.running
}

// hello notes what a device holds when it is first heard, and what the cloud has
// of it.
func (r *replay) hello(id calms.DeviceID, held []wire.Held, stored []replica.Journal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running || r.devices[id] != nil {
		return
	}
	d := &Replayed{Journals: map[wire.JournalID]Progress{}}
	for _, h := range held {
		d.Journals[h.Journal] = Progress{Head: h.Last}
	}
	for _, j := range stored {
		if p, ok := d.Journals[j.ID]; ok {
			p.Cursor, p.Forked = j.Cursor.Number, j.Forked != ""
			d.Journals[j.ID] = p
		}
	}
	r.devices[id] = d
}

// progress notes what a commit stored.
func (r *replay) progress(id calms.DeviceID, journal wire.JournalID, out replica.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.devices[id]
	if d == nil {
		return
	}
	p := d.Journals[journal]
	p.Cursor = out.Cursor.Number
	d.Journals[journal] = p
	d.Entries += uint64(out.Stored)
	d.Lost += out.Lost
}
