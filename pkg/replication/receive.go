package replication

import "slices"

// receive is the edge handling a message down.
func (m *Model) receive(e *edge, down message) {
	if !e.authentic(down) {
		return
	}
	e.ram.heard, e.ram.counter = true, down.counter
	if down.stream != welcomeDown && down.epoch != e.disk.epoch && m.flaw != EpochUnsaid {
		m.hello(e) // another life of the cloud answered a repeated hello
		return
	}
	switch down.stream {
	case welcomeDown:
		m.welcome(e, down)
	case cursorDown:
		for _, c := range down.cursors {
			m.handleCursor(e, c, down.rewind)
		}
	case needDown:
		m.resendObjects(e, down)
	}
}

// authentic refuses what was sealed for another session or hello, and what is
// not newer than all before: a broker can repeat and delay, not invent.
func (e *edge) authentic(down message) bool {
	return down.session == e.ram.object.id && down.nonce == e.ram.nonce && down.counter > e.ram.counter
}

func (m *Model) welcome(e *edge, down message) {
	e.ram.welcomed = true
	e.disk.ingestKey = down.ingestKey
	if e.disk.epoch != down.epoch {
		m.forgetAcks(e)
		e.disk.epoch = down.epoch
	}
	for _, c := range down.cursors {
		m.handleCursor(e, c, true)
	}
	if e.disk.wiped || m.flaw == GenerationChased {
		e.disk.wiped = false
		m.outgrow(e, down.generation)
	}
}

func (m *Model) forgetAcks(e *edge) {
	if m.flaw == AcksKept {
		return
	}
	for i := range e.disk.journals {
		e.disk.journals[i].acked = 0
	}
}

// outgrow leaves a journal whose generation, chosen after a wipe, turns out
// not to be larger than all that the cloud remembers. It does so once: two
// clones that always did would chase each other for ever.
func (m *Model) outgrow(e *edge, known int) {
	if known >= e.active().generation {
		m.begin(e, known)
		m.hello(e)
	}
}

// handleCursor believes the cloud where its cursor lies on the journal that
// the edge holds; else the journal has another owner or had a longer past.
func (m *Model) handleCursor(e *edge, c tip, rewind bool) {
	j := e.journal(c.Journal)
	if j == nil || !m.agrees(e, j, c) {
		return
	}
	before := j.acked
	j.acked = max(j.acked, c.Number) // lower in the same epoch is stale
	e.ram.next[j.name] = max(e.ram.next[j.name], j.acked+1)
	if rewind {
		e.ram.next[j.name] = j.acked + 1
	}
	if m.flaw == AckedDropped && j.acked > before {
		acked, _ := j.index(j.acked + 1)
		j.evict(acked)
	}
}

func (m *Model) agrees(e *edge, j *journal, c tip) bool {
	if m.flaw == ForkIgnored && c.Number <= j.head {
		return true
	}
	hash, known := j.hash(c.Number)
	switch beyond := c.Number > j.head; {
	case beyond && (j == e.active() || m.flaw == ForkAtEachHello):
		m.branchOff(e, j)
	case beyond: // its end is known to be lost, or the fork is already named
	case known && hash != c.hash:
		m.branchOff(e, j)
	default:
		return true
	}
	delete(e.ram.next, c.Journal)
	return false
}

// branchOff names the end of a journal that is not the cloud's. What the cloud
// may still want below it is sent when a cursor agrees again.
func (m *Model) branchOff(e *edge, j *journal) {
	branch := Branch{e.device, j.name, j.head, j.tip}
	if slices.Contains(e.disk.branches, branch) && m.flaw != ForkAtEachHello {
		return
	}
	e.disk.branches = append(e.disk.branches, branch)
	if j == e.active() || m.flaw == ForkAtEachHello {
		m.begin(e, 0)
	}
	m.hello(e)
}

func (m *Model) resendObjects(e *edge, down message) {
	if m.flaw == ObjectsOnce {
		return
	}
	for _, id := range down.needs {
		delete(e.ram.sent, id)
	}
	for _, c := range down.cursors {
		m.handleCursor(e, c, true)
	}
}
