package replication

import (
	"fmt"
	"maps"
	"slices"
)

const (
	window     = 3 // entries sent beyond the cursor
	perMessage = 2 // entries in one message
)

// edge is one machine: what survives its death, what does not, and the
// messages that the broker has for it and from it.
type edge struct {
	device   string
	enrolled bool
	linked   bool
	disk     disk
	ram      ram
	up, down []message

	served  []SampleID // outside the machine: the instrument's log
	counted []Entry    // outside the machine: the observer's
	sent    int
}

// disk is what is durable.
type disk struct {
	journals    []journal // ascending generations; the last is appended to
	objects     []object
	losses      []Loss
	branches    []Branch
	epoch       int
	ingestKey   int
	certificate int
	wiped       bool // the generation was chosen without the cloud, and blindly
}

// ram is gone after a restart.
type ram struct {
	object   object // of the session
	nonce    int    // of the last hello
	counter  int    // of the last message down under that nonce
	welcomed bool
	heard    bool           // since the last tick
	pending  []SampleID     // taken, in no entry yet
	next     map[string]int // the number to send next; a journal that is not here is not sent
	sent     map[int]bool   // objects that this connection has seen
}

func (m *Model) sample(e *edge) {
	m.ids.sample++
	e.served = append(e.served, SampleID(m.ids.sample))
	e.ram.pending = append(e.ram.pending, SampleID(m.ids.sample))
}

// append journals what is in memory. With a crash at Written the disk decides
// whether the entry survives, and only a survivor counts.
func (m *Model) append(e *edge) {
	if len(e.ram.pending) == 0 {
		m.sample(e)
	}
	j := e.active()
	sealed := j.next(e.ram.object.id, e.ram.pending)
	j.append(sealed)
	if !slices.Contains(e.disk.objects, e.ram.object) {
		e.disk.objects = append(e.disk.objects, e.ram.object)
	}
	e.counted = append(e.counted, sealed.Entry)
	e.ram.pending = nil
	if _, sending := e.ram.next[j.name]; !sending {
		e.ram.next[j.name] = j.acked + 1
	}
}

// appendUnsynced is append up to a power cut before the sync, entry lost.
func (m *Model) appendUnsynced(e *edge) {
	if len(e.ram.pending) == 0 {
		m.sample(e)
	}
	if m.flaw == CountBeforeSync {
		e.counted = append(e.counted, e.active().next(e.ram.object.id, e.ram.pending).Entry)
	}
}

func (e *edge) active() *journal { return &e.disk.journals[len(e.disk.journals)-1] }

func (e *edge) journal(name string) *journal {
	i := slices.IndexFunc(e.disk.journals, func(j journal) bool { return j.name == name })
	if i < 0 {
		return nil
	}
	return &e.disk.journals[i]
}

// begin starts a new journal, of a generation larger than known and than any
// on the disk.
func (m *Model) begin(e *edge, known int) {
	for _, j := range e.disk.journals {
		known = max(known, j.generation)
	}
	m.ids.journal++
	name := fmt.Sprintf("%s.%d.%d", e.device, known+1, m.ids.journal)
	e.disk.journals = append(slices.Clip(e.disk.journals), journal{name: name, generation: known + 1})
}

// start is a start of the program: what was in memory is gone.
func (m *Model) start(e *edge) {
	e.ram = ram{next: map[string]int{}}
	m.openSession(e)
	m.hello(e)
}

func (m *Model) openSession(e *edge) {
	m.ids.object++
	e.ram.object = object{m.ids.object, e.disk.ingestKey, e.disk.certificate}
}

func (m *Model) hello(e *edge) {
	if !e.linked {
		return
	}
	m.ids.nonce++
	e.ram.nonce, e.ram.counter, e.ram.welcomed = m.ids.nonce, 0, false
	e.ram.next = map[string]int{}
	if m.flaw != ObjectsOnce || e.ram.sent == nil {
		e.ram.sent = map[int]bool{e.ram.object.id: true}
	}
	hello := message{stream: helloUp, nonce: m.ids.nonce, objects: []object{e.ram.object}, losses: e.disk.losses, branches: e.disk.branches}
	for _, j := range e.disk.journals {
		hello.journals = append(hello.journals, tip{Position{j.name, j.head}, j.tip, j.generation})
		hello.ends = append(hello.ends, j.ends()...)
	}
	e.send(hello)
}

func (e *edge) send(m message) {
	m.device, m.session = e.device, e.ram.object.id
	e.up = push(e.up, m)
}

// step lets the sender send the next thing of the oldest journal that has one.
func (m *Model) step(e *edge) {
	if !e.linked || !e.ram.welcomed {
		return
	}
	for i := range e.disk.journals {
		j := &e.disk.journals[i]
		if next, ok := e.ram.next[j.name]; ok && next <= j.head && next <= j.acked+window {
			m.sendFrom(e, j, next)
			return
		}
	}
}

func (m *Model) sendFrom(e *edge, j *journal, next int) {
	last := j.gone(next)
	if last < next {
		last = e.sendEntries(j, next)
	} else if m.flaw != EvictedSilently {
		m.sendGap(e, j, next, last)
	}
	e.ram.next[j.name] = last + 1
	if m.flaw == PubackTrusted {
		j.acked = last
	}
}

func (e *edge) sendEntries(j *journal, next int) (last int) {
	run := j.run(next, perMessage)
	var fresh []object
	for _, o := range e.disk.objects {
		named := slices.ContainsFunc(run, func(n entry) bool { return n.object == o.id })
		if named && !e.ram.sent[o.id] {
			fresh = append(fresh, o)
			e.ram.sent[o.id] = true
		}
	}
	if fresh != nil {
		e.send(message{stream: objectsUp, objects: fresh})
	}
	e.send(message{stream: entriesUp, entries: run})
	e.sent += len(run)
	return run[len(run)-1].Number
}

func (m *Model) sendGap(e *edge, j *journal, first, last int) {
	if m.flaw == GapTooWide && last < j.head {
		last++
	}
	hash, _ := j.hash(last)
	e.send(message{stream: gapUp, gap: Range{first, last}, gapTip: tip{Position: Position{j.name, last}, hash: hash}})
	e.sent++
}

// forgetObjects drops what no held entry names.
func (e *edge) forgetObjects() {
	named := map[int]bool{}
	for _, j := range e.disk.journals {
		for _, n := range j.entries {
			named[n.object] = true
		}
	}
	e.disk.objects = slices.DeleteFunc(slices.Clone(e.disk.objects), func(o object) bool { return !named[o.id] })
}

func (e *edge) fork() edge {
	f := *e
	f.disk.journals = slices.Clone(e.disk.journals)
	for i := range f.disk.journals {
		f.disk.journals[i].entries = slices.Clip(f.disk.journals[i].entries)
	}
	f.disk.objects = slices.Clip(e.disk.objects)
	f.disk.losses = slices.Clip(e.disk.losses)
	f.disk.branches = slices.Clip(e.disk.branches)
	f.ram.pending = slices.Clip(e.ram.pending)
	f.ram.next, f.ram.sent = maps.Clone(e.ram.next), maps.Clone(e.ram.sent)
	f.served, f.counted = slices.Clip(e.served), slices.Clip(e.counted)
	return f
}
