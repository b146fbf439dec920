package replication

// World is a system that lives through a schedule: one cloud with its backup
// repository, some edges, and the broker's messages between them. It starts
// with every link up, edge 0 enrolled and started. Only one goroutine uses it.
//
// A World that implements io.Closer is closed when its schedule is over.
type World interface {
	// Apply does one op to its end, so that an observation after it is stable.
	// What an op finds impossible it leaves undone, without an error: an error
	// says that the world itself broke, and fails the schedule.
	Apply(op Op) error
	// Observe says what an outsider can know. The caller does not change it,
	// and the world does not change it later.
	Observe() Observation
}

// SampleID names one sample that an instrument served, unique in the world.
type SampleID uint64

// Observation is what can be seen of a world without trusting it.
type Observation struct {
	Epoch    string
	Edges    []Edge    // by index
	Replicas []Replica // one per journal that the cloud knows
	Stored   []Stored  // every sample that the cloud would export, repeated if it is stored twice
	Branches []Branch  // forked or quarantined, as the cloud names them
	Losses   []Loss    // as the cloud shows them
}

// Edge is one machine. A cloned disk makes a second edge of the same device.
type Edge struct {
	Device  string
	Served  []SampleID // the instrument's own log; append-only
	Counted []Entry    // every entry that this edge ever made durable; append-only, kept by the observer
	Held    []Holding  // what its journals hold now, oldest journal first
	Acked   []Position // what it believes acknowledged, in its epoch
	Epoch   string     // of the cloud that it last heard; empty before
	Sent    int        // entries and gaps sent so far, repetitions included
	Up      int        // messages in flight up
	Down    int        // messages in flight down
}

// Entry is one numbered entry of a journal. An anchor or a configuration has
// no samples. Hash and Prev are opaque; the Prev of entry 1 is empty.
type Entry struct {
	Journal string
	Number  int
	Hash    string
	Prev    string
	Samples []SampleID
}

// Range is First to Last, both included.
type Range struct{ First, Last int }

// Has tells whether n lies in the range.
func (r Range) Has(n int) bool { return r.First <= n && n <= r.Last }

// Holding is what an edge still holds of one journal, in ascending ranges. A
// journal that is empty or wholly evicted is a Holding without ranges.
type Holding struct {
	Journal string
	Ranges  []Range
}

// Position is a number in a journal.
type Position struct {
	Journal string
	Number  int
}

// Replica is a journal as the cloud has it: everything up to Cursor is stored
// or covered by a gap.
type Replica struct {
	Device  string
	Journal string
	Cursor  int
	Gaps    []Range
}

// Stored is one sample as the cloud attributes it.
type Stored struct {
	Device string
	Sample SampleID
}

// Branch is a named end of a journal that did not become the cloud's: the
// entry with Number and Hash and, by their previous-hashes, those before it.
type Branch struct {
	Device  string
	Journal string
	Number  int
	Hash    string
}

// Loss is a statement that entries after After of a journal are gone, number
// unknown. Without a journal it speaks of every journal that the device no
// longer holds: its disk was wiped.
type Loss struct {
	Device  string
	Journal string
	After   int
}

// revokes tells the device that op, applied next, revokes: one whose edge is
// enrolled, and so has a journal.
func (o Observation) revokes(op Op) (device string, ok bool) {
	e := o.Edges[op.Edge%len(o.Edges)]
	return e.Device, op.Kind == Revoke && len(e.Held) > 0
}
