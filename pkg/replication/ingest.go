package replication

import "slices"

// take stores the entries of one message, all of one journal, or asks for the
// objects that open them.
func (m *Model) take(txn *db, up message) (message, bool) {
	name := up.entries[0].Journal
	r := txn.replica(up.device, name)
	if needs := m.lacking(txn, up.entries); needs != nil {
		reply := cursorOf(name, r, true)
		reply.stream, reply.needs = needDown, needs
		return reply, true
	}
	rewind := false
	for _, n := range up.entries {
		var fits bool
		if r, fits = m.store(txn, r, n); !fits {
			rewind = true
			break
		}
		txn.objects[n.object] = m.object(txn, n.object)
	}
	txn.replicas[name] = r
	return cursorOf(name, r, rewind), true
}

func (m *Model) object(txn *db, id int) object {
	if o, ok := txn.objects[id]; ok {
		return o
	}
	return m.cloud.cache[id]
}

func (m *Model) lacking(txn *db, entries []entry) (needs []int) {
	for _, n := range entries {
		if o := m.object(txn, n.object); o.id == 0 || !txn.keys[o.ingestKey] {
			needs = append(needs, n.object)
		}
	}
	return needs
}

// store is rule 2. It reports whether the entry is in the replica now; a
// duplicate is.
func (m *Model) store(txn *db, r replica, n entry) (replica, bool) {
	switch {
	case n.Number <= r.cursor:
		txn.compare(r.device, n.Journal, n.Number, n.Hash)
		if m.flaw == DuplicateStored {
			r.entries = append(slices.Clip(r.entries), n.Entry)
		}
		return r, true
	case n.Number > r.cursor+1 && m.flaw != AheadStored:
		return r, false
	case n.Number == r.cursor+1 && n.Prev != r.hash && m.flaw != ForkIgnored:
		txn.quarantine(Branch{r.device, n.Journal, n.Number, n.Hash})
		return r, false
	}
	r.entries = append(slices.Clip(r.entries), n.Entry)
	r.cursor, r.hash = n.Number, n.Hash
	return r, true
}

// takeGap moves the cursor to the gap's end if the gap begins right behind it.
// A gap that begins lower but ends higher does not fit either: what it covers
// and the cloud has meanwhile must not be declared lost.
func (m *Model) takeGap(r replica, up message) (_ replica, rewind bool) {
	ahead := up.gap.First > r.cursor+1 && m.flaw != GapAhead
	below := up.gap.First <= r.cursor && m.flaw != GapOverlap
	if up.gap.Last <= r.cursor {
		return r, false
	}
	if ahead || below {
		return r, true
	}
	r.gaps = append(slices.Clip(r.gaps), up.gap)
	r.cursor, r.hash = up.gap.Last, up.gapTip.hash
	return r, false
}

// withoutCursors is the flaw of two transactions: the entries of after, the
// cursors of before.
func withoutCursors(after, before db) db {
	after = after.clone()
	for name, r := range after.replicas {
		r.cursor, r.hash = before.replicas[name].cursor, before.replicas[name].hash
		after.replicas[name] = r
	}
	return after
}
