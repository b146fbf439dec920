package replication

// applyToDisk is what happens to a disk: by the edge itself (evict), or to it.
func (m *Model) applyToDisk(e *edge, op Op) {
	switch op.Kind {
	case Evict:
		e.evict(op.N + 1)
	case LoseTail:
		j := e.active()
		count := min(op.N+1, len(j.entries))
		m.damage(e, j, len(j.entries)-count, count)
		m.start(e)
	case Damage:
		m.damageMiddle(e, op.N, op.M+1)
		m.start(e)
	case Wipe:
		m.wipe(e)
		m.start(e)
	}
}

func (e *edge) evict(count int) {
	for i := range e.disk.journals {
		j := &e.disk.journals[i]
		some := min(count, len(j.entries))
		j.evict(some)
		count -= some
	}
	e.forgetObjects()
}

// damage is what recovery makes of entries that do not read back: a gap in the
// middle, a new journal where the tail is lost.
func (m *Model) damage(e *edge, j *journal, first, count int) {
	active := j == e.active()
	if count == 0 || !j.remove(first, count) {
		return
	}
	if m.flaw != LossSilent {
		e.disk.losses = append(e.disk.losses, Loss{e.device, j.name, j.head})
	}
	if active && m.flaw != NumberReused {
		m.begin(e, 0)
	}
}

func (m *Model) damageMiddle(e *edge, first, count int) {
	held := 0
	for _, j := range e.disk.journals {
		held += len(j.entries)
	}
	if held == 0 {
		return
	}
	first %= held
	for i := range e.disk.journals {
		j := &e.disk.journals[i]
		if first < len(j.entries) {
			m.damage(e, j, first, min(count, len(j.entries)-first))
			return
		}
		first -= len(j.entries)
	}
}

// wipe leaves the keys and the registration, and no memory of any journal.
func (m *Model) wipe(e *edge) {
	e.disk = disk{ingestKey: e.disk.ingestKey, certificate: e.disk.certificate, wiped: true, losses: []Loss{{Device: e.device}}}
	m.begin(e, 0)
}
