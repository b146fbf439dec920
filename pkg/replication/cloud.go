package replication

import (
	"maps"
	"slices"
)

// cloud is the database and what a restart forgets.
type cloud struct {
	db       db
	sessions map[int]hailed // by session object
	cache    map[int]object
}

// hailed is a session that said hello to this run of the cloud.
type hailed struct{ nonce, counter int }

// db is what a snapshot holds. Values are replaced, never changed in place, so
// that a copy of the maps is a copy.
type db struct {
	epoch       int
	devices     map[string]bool
	revoked     map[string]bool
	certificate map[string]int // the current one; older ones stay good for what they signed
	keys        map[int]bool
	ingestKey   int
	objects     map[int]object
	replicas    map[string]replica
	losses      []Loss
	branches    []Branch
}

// replica is one journal's entries and cursor; immutable.
type replica struct {
	device     string
	generation int
	cursor     int
	hash       string
	entries    []Entry
	gaps       []Range
}

// repository is the backup's: it outlives the cloud.
type repository struct {
	snapshots []db
	revoked   map[string]bool
	keys      map[int]bool
}

func (d db) clone() db {
	d.devices, d.revoked, d.certificate = maps.Clone(d.devices), maps.Clone(d.revoked), maps.Clone(d.certificate)
	d.keys, d.objects, d.replicas = maps.Clone(d.keys), maps.Clone(d.objects), maps.Clone(d.replicas)
	d.losses, d.branches = slices.Clip(d.losses), slices.Clip(d.branches)
	return d
}

// ingest is the cloud handling one message of the topic of device, answering
// into flight to e. It dies at until; stepCount lets it live.
func (m *Model) ingest(e *edge, device string, up message, until Step) {
	c := &m.cloud
	if until == Received || !m.admits(device, &up) || until == Opened {
		return
	}
	txn, reply, ok := m.transact(up)
	if m.flaw == AckBeforeCommit && ok {
		m.answer(e, up, reply)
	}
	if until == InTransaction {
		if m.flaw == CursorApart {
			c.db = withoutCursors(txn, c.db)
		}
		return
	}
	c.db = txn
	if until == Committed || !ok || m.flaw == AckBeforeCommit {
		return
	}
	m.answer(e, up, reply)
}

// admits proves where a message comes from. A session without a hello to this
// run gets silence, which makes the edge say hello.
func (m *Model) admits(device string, up *message) bool {
	if m.flaw == OriginIgnored {
		up.device = device
	}
	d := &m.cloud.db
	if up.device != device || d.revoked[device] {
		return false
	}
	if up.stream == helloUp {
		return m.opens(device, up.objects[0])
	}
	_, known := m.cloud.sessions[up.session]
	return known && d.devices[device]
}

func (m *Model) opens(device string, o object) bool {
	d := &m.cloud.db
	return d.keys[o.ingestKey] && (m.flaw != ExpiryChecked || o.certificate >= d.certificate[device])
}

// transact works on a copy, which the caller commits; without ok there is
// nothing to answer.
func (m *Model) transact(up message) (txn db, reply message, ok bool) {
	txn = m.cloud.db.clone()
	switch up.stream {
	case helloUp:
		reply, ok = m.greet(&txn, up)
	case objectsUp:
		for _, o := range up.objects {
			if m.opens(up.device, o) {
				m.cloud.cache[o.id] = o
			}
		}
	case entriesUp:
		reply, ok = m.take(&txn, up)
	case gapUp:
		r, rewind := m.takeGap(txn.replica(up.device, up.gapTip.Journal), up)
		txn.replicas[up.gapTip.Journal] = r
		reply, ok = cursorOf(up.gapTip.Journal, r, rewind), true
	}
	return txn, reply, ok
}

func (d *db) replica(device, name string) replica {
	r := d.replicas[name]
	r.device = device
	return r
}

func cursorOf(name string, r replica, rewind bool) message {
	return message{stream: cursorDown, rewind: rewind, cursors: []tip{{Position: Position{name, r.cursor}, hash: r.hash}}}
}

// greet adopts, notes what the edge has to say, and answers with all cursors.
func (m *Model) greet(txn *db, up message) (message, bool) {
	if !txn.devices[up.device] && m.flaw == RegistrationIgnored {
		return message{}, false
	}
	txn.devices[up.device] = true
	if m.cloud.sessions[up.session].nonce != up.nonce { // a repeated hello must not set the counter back
		m.cloud.sessions[up.session] = hailed{nonce: up.nonce}
	}
	m.cloud.cache[up.session] = up.objects[0]
	for _, l := range up.losses {
		if !slices.Contains(txn.losses, l) {
			txn.losses = append(txn.losses, l)
		}
	}
	for _, b := range up.branches {
		txn.quarantine(b)
	}
	reply := message{stream: welcomeDown, ingestKey: txn.ingestKey}
	for name, r := range txn.replicas {
		if r.device == up.device && !slices.ContainsFunc(up.journals, func(t tip) bool { return t.Journal == name }) {
			reply.generation = max(reply.generation, r.generation)
		}
	}
	for _, t := range up.journals {
		r := txn.replica(up.device, t.Journal)
		r.generation = t.generation
		txn.replicas[t.Journal] = r
		reply.cursors = append(reply.cursors, tip{Position: Position{t.Journal, r.cursor}, hash: r.hash})
	}
	for _, t := range slices.Concat(up.journals, up.ends) {
		txn.compare(up.device, t.Journal, t.Number, t.hash)
	}
	return reply, true
}

// compare quarantines an end that the cloud has under the same number but
// with another content.
func (d *db) compare(device, name string, n int, hash string) {
	for _, stored := range d.replicas[name].entries {
		if stored.Number == n && stored.Hash != hash {
			d.quarantine(Branch{device, name, n, hash})
		}
	}
}

func (d *db) quarantine(b Branch) {
	if !slices.Contains(d.branches, b) {
		d.branches = append(d.branches, b)
	}
}

// answer sends to the edge under the nonce of its session's hello.
func (m *Model) answer(e *edge, up, reply message) {
	session, ok := m.cloud.sessions[up.session]
	if !ok {
		return
	}
	session.counter++
	m.cloud.sessions[up.session] = session
	reply.device, reply.session, reply.nonce, reply.counter = up.device, up.session, session.nonce, session.counter
	reply.epoch = m.cloud.db.epoch
	e.down = push(e.down, reply)
}

// restart forgets what is not durable.
func (c *cloud) restart() {
	c.sessions, c.cache = map[int]hailed{}, map[int]object{}
}
