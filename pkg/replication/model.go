package replication

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Model is the page as a [World]: pure, deterministic, without time or chance.
type Model struct {
	flaw  Flaw
	limit int // edges, clones included
	edges []edge
	cloud cloud
	repo  repository
	ids   struct{ sample, object, nonce, journal, epoch int }
}

// NewModel makes a world of that many edges, each a device of its own.
func NewModel(edges int, flaw Flaw) *Model {
	m := &Model{flaw: flaw, limit: edges + 2}
	m.ids.epoch = 1
	m.cloud.restart()
	m.cloud.db = db{
		epoch: 1, ingestKey: 1, keys: map[int]bool{1: true}, devices: map[string]bool{}, revoked: map[string]bool{},
		certificate: map[string]int{}, objects: map[int]object{}, replicas: map[string]replica{},
	}
	m.repo = repository{revoked: map[string]bool{}, keys: map[int]bool{1: true}}
	for i := range edges {
		m.edges = append(m.edges, edge{device: "d" + strconv.Itoa(i), linked: true, disk: disk{ingestKey: 1, certificate: 1}})
	}
	m.enrol(&m.edges[0])
	return m
}

// Apply does one op; the model never breaks.
func (m *Model) Apply(op Op) error {
	e := &m.edges[op.Edge%len(m.edges)]
	switch op.Kind {
	case Enrol:
		m.enrol(e)
	case Tick:
		m.tick()
	case Snapshot:
		m.repo.snapshots = append(slices.Clip(m.repo.snapshots), m.cloud.db.clone())
	case Restore:
		m.restore(op.N)
	case RotateIngestKey:
		m.rotateIngestKey()
	default:
		if e.enrolled {
			m.applyTo(e, op)
		}
	}
	return nil
}

func (m *Model) applyTo(e *edge, op Op) {
	switch op.Kind {
	case Sample:
		m.sample(e)
	case Append:
		m.append(e)
	case Hello:
		m.hello(e)
	case Send:
		m.step(e)
	case Cut:
		e.linked, e.ram.welcomed = false, false
	case Connect:
		m.connect(e)
	case CrashEdge:
		m.crashEdge(e, op)
	case RestartEdge:
		m.start(e)
	case Clone:
		m.clone(e)
	case RotateCertificate:
		m.rotateCertificate(e)
	case Revoke:
		m.revoke(e.device)
	case Evict, LoseTail, Damage, Wipe:
		m.applyToDisk(e, op)
	default:
		m.applyToQueue(e, op)
	}
}

func (m *Model) applyToQueue(e *edge, op Op) {
	queue := &e.up
	if op.Kind >= DeliverDown && op.Kind <= DelayDown {
		queue = &e.down
	}
	if op.Kind == DeliverDown && !e.linked {
		return
	}
	msg, rest, ok := pull(*queue, op.N)
	if !ok {
		return
	}
	switch op.Kind {
	case RepeatUp, RepeatDown:
		*queue = push(*queue, msg)
		return
	case MisrouteUp:
		next := &m.edges[(op.Edge+1)%len(m.edges)]
		m.ingest(next, next.device, msg, stepCount)
		return
	case DelayUp, DelayDown:
		rest = push(rest, msg)
	}
	*queue = rest
	switch op.Kind {
	case DeliverUp:
		m.ingest(e, e.device, msg, stepCount)
	case CrashCloud:
		m.ingest(e, e.device, msg, op.Step)
		m.cloud.restart()
	case DeliverDown:
		m.receive(e, msg)
	}
}

func (m *Model) enrol(e *edge) {
	if e.enrolled {
		return
	}
	e.enrolled = true
	m.cloud.db.devices[e.device] = true
	m.begin(e, 0)
	m.start(e)
}

func (m *Model) connect(e *edge) {
	if !e.linked {
		e.linked = true
		m.hello(e)
	}
}

func (m *Model) tick() {
	for i := range m.edges {
		if e := &m.edges[i]; e.enrolled && !e.ram.heard {
			m.hello(e)
		}
		m.edges[i].ram.heard = false
	}
}

// crashEdge does what leads to the step, and starts again.
func (m *Model) crashEdge(e *edge, op Op) {
	switch {
	case op.Step == Written && op.N%2 == 1, op.Step == Synced:
		m.append(e)
	case op.Step == Written:
		m.appendUnsynced(e)
	case op.Step <= Sealed:
		m.sample(e)
	case op.Step == Sent:
		m.step(e)
	case op.Step == CursorStored:
		m.applyToQueue(e, Op{Kind: DeliverDown, N: op.N})
	case op.Step == CursorReceived && e.linked:
		m.applyToQueue(e, Op{Kind: DropDown, N: op.N})
	}
	m.start(e)
}

func (m *Model) restore(n int) {
	if len(m.repo.snapshots) == 0 {
		return
	}
	d := m.repo.snapshots[n%len(m.repo.snapshots)].clone()
	maps.Copy(d.keys, m.repo.keys)
	if m.flaw != RevocationForgotten {
		maps.Copy(d.revoked, m.repo.revoked)
	}
	if m.flaw != EpochKept {
		m.ids.epoch++
	}
	d.epoch = m.ids.epoch
	m.cloud.db = d
	m.cloud.restart()
}

func (m *Model) rotateIngestKey() {
	key := m.cloud.db.ingestKey
	for m.cloud.db.keys[key] || m.repo.keys[key] {
		key++
	}
	if m.flaw != KeyUnconfirmed {
		m.repo.keys[key] = true
	}
	m.cloud.db.keys[key], m.cloud.db.ingestKey = true, key
}

func (m *Model) rotateCertificate(e *edge) {
	e.disk.certificate++
	m.cloud.db.certificate[e.device] = e.disk.certificate
	m.openSession(e)
	m.hello(e)
}

// revoke is complete when the repository has it.
func (m *Model) revoke(device string) {
	m.repo.revoked[device] = true
	m.cloud.db.revoked[device] = true
}

func (m *Model) clone(e *edge) {
	if len(m.edges) == m.limit {
		return
	}
	c := e.fork()
	c.up, c.down, c.served, c.counted, c.sent = nil, nil, nil, nil, 0
	c.linked = true
	m.start(&c)
	m.edges = append(m.edges, c)
}

// Observe tells what an outsider sees.
func (m *Model) Observe() Observation {
	o := Observation{Epoch: fmt.Sprint(m.cloud.db.epoch), Branches: m.cloud.db.branches, Losses: m.cloud.db.losses}
	for i := range m.edges {
		o.Edges = append(o.Edges, m.edges[i].observe())
	}
	for name, r := range m.cloud.db.replicas {
		o.Replicas = append(o.Replicas, Replica{r.device, name, r.cursor, r.gaps})
		for _, n := range r.entries {
			for _, s := range n.Samples {
				o.Stored = append(o.Stored, Stored{r.device, s})
			}
		}
	}
	return o
}

func (e *edge) observe() Edge {
	o := Edge{Device: e.device, Served: e.served, Counted: e.counted, Sent: e.sent, Up: len(e.up), Down: len(e.down)}
	if e.disk.epoch > 0 {
		o.Epoch = strconv.Itoa(e.disk.epoch)
	}
	for i := range e.disk.journals {
		j := &e.disk.journals[i]
		o.Held = append(o.Held, j.holding())
		o.Acked = append(o.Acked, Position{j.name, j.acked})
	}
	return o
}
