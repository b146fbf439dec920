package replication

import "testing"

type smallCase struct {
	name, prefix, alphabet string
	depth                  int
	finds                  []Flaw
}

// small holds alphabets over which every schedule is tried, and the flaws that
// they must find.
var small = []smallCase{
	{"one message", met + "append 0; send 0",
		"send 0; append 0; hello 0; deliver-up 0 0; drop-up 0 0; repeat-up 0 0; delay-up 0 0; deliver-down 0 0; crash-edge 0 synced 0; crash-cloud 0 in-transaction 0", 5,
		[]Flaw{AckBeforeCommit, CursorApart, DuplicateStored, AheadStored, PubackTrusted, AckedDropped}},
	{"snapshot and restore", met + "append 0; send 0",
		"append 0; send 0; hello 0; deliver-up 0 0; deliver-down 0 0; deliver-down 0 1; snapshot; restore 0; restore 1", 7,
		[]Flaw{EpochKept, AcksKept}},
	{"two lives answer one hello", met + "append 0; append 0; snapshot; send 0; deliver-up 0 0; deliver-down 0 0; append 0; hello 0",
		"repeat-up 0 0; deliver-up 0 0; restore 0; deliver-down 0 0; send 0; tick", 6,
		[]Flaw{EpochUnsaid, AcksKept}},
	{"eviction and damage", "append 0; append 0; append 0",
		"append 0; hello 0; send 0; deliver-up 0 0; deliver-up 0 1; deliver-down 0 0; evict 0 0; damage 0 1 0", 6,
		[]Flaw{GapTooWide, EvictedSilently}},
	{"entries below their gap's end", met + "append 0; append 0; append 0; send 0; evict 0 2; hello 0",
		"send 0; deliver-up 0 0; deliver-up 0 1; deliver-down 0 0; drop-up 0 0; tick", 6,
		[]Flaw{GapOverlap}},
	{"a gap before its time", met + "append 0; append 0; append 0; damage 0 1 0; " + met,
		"send 0; deliver-up 0 0; deliver-up 0 1; deliver-down 0 0; drop-up 0 0; tick", 6,
		[]Flaw{GapAhead}},
	{"losses", met + "append 0; append 0; send 0",
		"append 0; send 0; deliver-up 0 0; deliver-down 0 0; lose-tail 0 0; wipe 0; snapshot; restore 0", 6,
		[]Flaw{NumberReused, LossSilent}},
	{"a clone", met + "append 0; clone 0",
		"append 0; append 2; send 0; send 2; deliver-up 0 0; deliver-up 2 0; deliver-down 0 0; deliver-down 2 0", 6,
		[]Flaw{ForkIgnored, ForkAtEachHello}},
}

func TestAllSmallSchedules(t *testing.T) {
	for _, c := range small {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			Exhaust(t, world(2, Sound), parse(t, c.prefix), parse(t, c.alphabet), c.depth)
		})
		for _, flaw := range c.finds {
			t.Run(c.name+"/"+flaw.String(), func(t *testing.T) {
				if f, _ := Search(world(2, flaw), parse(t, c.prefix), parse(t, c.alphabet), c.depth); f == nil {
					t.Error("no schedule found it")
				}
			})
		}
	}
}

// history hides that the model can fork, as a real world cannot.
type history struct{ World }

func TestExhaustWithoutForks(t *testing.T) {
	alphabet := parse(t, "send 0; deliver-up 0 0; drop-up 0 0")
	sound := func() World { return history{NewModel(1, Sound)} }
	Exhaust(t, sound, parse(t, met+"append 0"), alphabet, 4)
	broken := func() World { return history{NewModel(1, PubackTrusted)} }
	if f, _ := Search(broken, parse(t, met+"append 0"), alphabet, 3); f == nil {
		t.Error("no schedule found it")
	}
}
