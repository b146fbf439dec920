package replication

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
)

// Forker is a [World] that can be copied and recognised, which lets [Exhaust]
// visit every state once instead of every history.
type Forker interface {
	World
	// Fork returns a world in the same state that goes its own way.
	Fork() World
	// Key is equal for two worlds only if no schedule can tell them apart.
	Key() Key
}

// Key names a state.
type Key [16]byte

var _ Forker = (*Model)(nil)

// Fork copies the model.
func (m *Model) Fork() World {
	f := *m
	f.edges = make([]edge, len(m.edges))
	for i := range m.edges {
		f.edges[i] = m.edges[i].fork()
	}
	f.cloud = cloud{m.cloud.db.clone(), maps.Clone(m.cloud.sessions), maps.Clone(m.cloud.cache)}
	f.repo = repository{slices.Clip(m.repo.snapshots), maps.Clone(m.repo.revoked), maps.Clone(m.repo.keys)}
	return &f
}

// Key digests everything that a later step or observation can depend on.
func (m *Model) Key() Key {
	d := make(digest, 0, 2048)
	for i := range m.edges {
		d.edge(&m.edges[i])
	}
	d.db(m.cloud.db)
	for _, id := range slices.Sorted(maps.Keys(m.cloud.sessions)) {
		d.ints(id, m.cloud.sessions[id].nonce, m.cloud.sessions[id].counter)
	}
	each(&d, m.cloud.cache, func(object) {})
	each(&d, m.repo.keys, func(bool) {})
	each(&d, m.repo.revoked, func(bool) {})
	for _, s := range m.repo.snapshots {
		d.db(s)
	}
	sum := fnv.New128a()
	sum.Write(d)
	return Key(sum.Sum(nil))
}

// digest is the text of a state. Lists are led by their lengths, so that two
// states do not share a text. Entries go in by hash, which covers the rest.
type digest []byte

func (d *digest) ints(values ...int) {
	for _, v := range values {
		*d = binary.AppendVarint(*d, int64(v))
	}
}

func (d *digest) text(s string) {
	d.ints(len(s))
	*d = append(*d, s...)
}

func (d *digest) flag(f bool) {
	d.ints(map[bool]int{true: 1}[f])
}

// each digests a map in the order of its keys, which are ints or strings.
func each[K int | string, V any](d *digest, set map[K]V, value func(V)) {
	d.ints(len(set))
	for _, k := range slices.Sorted(maps.Keys(set)) {
		if n, ok := any(k).(int); ok {
			d.ints(n)
		} else {
			d.text(any(k).(string))
		}
		value(set[k])
	}
}

func (d *digest) edge(e *edge) {
	d.flag(e.enrolled)
	d.flag(e.linked)
	d.ints(len(e.served), len(e.counted), len(e.disk.journals), e.disk.epoch, e.disk.ingestKey, e.disk.certificate)
	d.flag(e.disk.wiped)
	for i := range e.disk.journals {
		j := &e.disk.journals[i]
		d.text(j.name)
		d.ints(j.head, j.acked)
		d.text(j.tip)
		d.entries(j.entries)
	}
	d.statements(e.disk.losses, e.disk.branches)
	d.ints(e.ram.object.id, e.ram.nonce, e.ram.counter, len(e.ram.pending), len(e.up), len(e.down))
	d.flag(e.ram.welcomed)
	d.flag(e.ram.heard)
	each(d, e.ram.next, func(n int) { d.ints(n) })
	each(d, e.ram.sent, func(bool) {})
	for _, m := range slices.Concat(e.up, e.down) {
		d.message(m)
	}
}

func (d *digest) entries(entries []entry) {
	d.ints(len(entries))
	for _, n := range entries {
		d.text(n.Hash)
	}
}

func (d *digest) statements(losses []Loss, branches []Branch) {
	d.ints(len(losses), len(branches))
	for _, l := range losses {
		d.text(l.Journal)
		d.ints(l.After)
	}
	for _, b := range branches {
		d.text(b.Hash)
	}
}

func (d *digest) message(m message) {
	d.ints(int(m.stream), m.session, m.nonce, m.counter, m.gap.First, m.gap.Last, m.epoch, m.ingestKey, m.generation)
	d.flag(m.rewind)
	d.entries(m.entries)
	d.statements(m.losses, m.branches)
	d.ints(len(m.journals), len(m.ends), len(m.cursors), len(m.objects), len(m.needs))
	for _, t := range slices.Concat(m.journals, m.ends, m.cursors, []tip{m.gapTip}) {
		d.text(t.Journal)
		d.ints(t.Number)
		d.text(t.hash)
	}
	for _, o := range m.objects {
		d.ints(o.id)
	}
	d.ints(m.needs...)
}

func (d *digest) db(s db) {
	d.ints(s.epoch, s.ingestKey)
	each(d, s.devices, func(bool) {})
	each(d, s.revoked, func(bool) {})
	each(d, s.keys, func(bool) {})
	each(d, s.objects, func(object) {})
	each(d, s.replicas, func(r replica) {
		d.ints(r.cursor, len(r.entries), len(r.gaps))
		d.text(r.hash)
		for _, n := range r.entries {
			d.text(n.Hash)
		}
		for _, g := range r.gaps {
			d.ints(g.First, g.Last)
		}
	})
	d.statements(s.losses, s.branches)
}
