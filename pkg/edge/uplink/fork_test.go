package uplink_test

import (
	"testing"

	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/wire"
)

// branched expects that the edge has left a journal at its head, says so, and
// goes on in another one.
func (e *edge) branched(left wire.Position) {
	e.t.Helper()
	if e.Current() == left.Journal {
		e.t.Fatal("no new journal was begun")
	}
	hello := e.greet()
	if last := hello.Journals[len(hello.Journals)-1].Journal; last != e.Current() || last.Generation <= left.Journal.Generation {
		e.t.Errorf("the hello names %+v", hello.Journals)
	}
	for _, s := range hello.Statements {
		if s.Kind == wire.StatementBranch && s.Journal == left.Journal && s.Number == left.Number && s.Hash == left.Hash && s.Reason != "" {
			return
		}
	}
	e.t.Errorf("the hello states %+v", hello.Statements)
}

func TestForksAreLeft(t *testing.T) {
	for name, tell := range map[string]func(*edge){
		"the cloud is beyond the head": func(e *edge) { e.welcome(wire.Position{Journal: e.Current(), Number: 4, Hash: wire.Hash{4}}) },
		"the cloud has another hash":   func(e *edge) { e.welcome(wire.Position{Journal: e.Current(), Number: 2, Hash: wire.Hash{2}}) },
		"the next entry does not follow": func(e *edge) {
			e.welcome(e.position(e.Current(), 1))
			e.drain()
			e.acknowledge(1, func(b *wire.CursorBody) { b.Forked = true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t, uplink.Options{})
			e.append(3, 10)
			left := e.position(e.Current(), 3)
			e.greet()
			tell(e)
			e.branched(left)
			// What the branch holds stays, and is not sent as if it were the cloud's.
			e.append(1, 10)
			p := wire.Position{Journal: left.Journal, Number: 4, Hash: wire.Hash{4}}
			e.welcome(p)
			for n, s := 0, e.drain(); n < len(s.numbers); n++ {
				if s.numbers[n] != 1 {
					t.Errorf("sent is %v", s.numbers)
				}
			}
			e.append(1, 10)
			if s := e.drain(); len(s.numbers) != 1 || s.numbers[0] != 2 {
				t.Errorf("then %v is sent", s.numbers)
			}
		})
	}
}

// Two journals that are both not the cloud's are left one after the other.
func TestTwoForksAtOnce(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(3, 10)
	first := e.position(e.Current(), 3)
	check(t, e.Begin(t.Context(), "test", 0))
	e.append(2, 10)
	second := e.position(e.Current(), 2)
	e.greet()
	other := []wire.Position{{Journal: first.Journal, Number: 3, Hash: wire.Hash{1}}, {Journal: second.Journal, Number: 9, Hash: wire.Hash{9}}}
	e.welcome(other...)
	for range 3 {
		if e.Current() != second.Journal {
			break
		}
		e.greet()
		e.welcome(other...)
	}
	e.branched(second)
	e.Restart()
	e.branched(first)
	e.welcome(other...)
	e.append(1, 10)
	if s := e.drain(); len(s.numbers) != 1 {
		t.Errorf("the new journal sends %+v", s)
	}
}

// A journal whose tail was lost when it ended is behind the cloud: that is known
// already, and begins nothing.
func TestEarlierJournalBehindTheCloud(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(3, 10)
	earlier := e.Current()
	check(t, e.Begin(t.Context(), "test", 0))
	e.append(1, 10)
	current := e.Current()
	e.greet()
	e.welcome(wire.Position{Journal: earlier, Number: 8, Hash: wire.Hash{8}})
	if s := e.drain(); e.Current() != current || len(s.numbers) != 1 || !e.Talking() {
		t.Errorf("it goes on in %s with %+v", e.Current(), s)
	}
}

// The oldest journal is sent first, each to its end.
func TestLanes(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(2, 10)
	check(t, e.Begin(t.Context(), "test", 0))
	e.append(3, 10)
	e.greet()
	e.welcome()
	if s := e.drain(); len(s.numbers) != 5 || s.numbers[1] != 2 || s.numbers[2] != 1 {
		t.Errorf("sent is %v", s.numbers)
	}
	check(t, e.Begin(t.Context(), "test", 0))
	if hello := e.greet(); len(hello.Journals) != 3 {
		t.Errorf("a new journal is greeted with %+v", hello.Journals)
	}
}

// A generation that was chosen blindly is outgrown once in the file's life.
func TestBlindGenerationIsOutgrownOnce(t *testing.T) {
	e := newEdgeOf(t, journal.Options{Device: device, Wiped: "test"}, uplink.Options{})
	if !e.Blind() {
		t.Fatal("the journal is not blind")
	}
	blind := e.Current()
	welcome := func(known uint64) {
		t.Helper()
		check(t, e.take(wire.StreamHello, e.welcoming(wire.WelcomeBody{MaxGeneration: known})))
	}
	e.greet()
	welcome(41)
	if g := e.Current().Generation; e.Current() == blind || g <= 41 || e.Blind() {
		t.Fatalf("generation %d, blind %t", g, e.Blind())
	}
	seeing := e.Current()
	e.greet()
	welcome(99)
	if e.Current() != seeing || !e.Talking() {
		t.Errorf("it began %s", e.Current())
	}
}

func TestBlindGenerationThatIsAboveStays(t *testing.T) {
	e := newEdgeOf(t, journal.Options{Device: device, Wiped: "test", Generation: 5}, uplink.Options{})
	blind := e.Current()
	e.greet()
	check(t, e.take(wire.StreamHello, e.welcoming(wire.WelcomeBody{MaxGeneration: 5})))
	if e.Current() != blind || e.Blind() || !e.Talking() {
		t.Errorf("generation %d, blind %t", e.Current().Generation, e.Blind())
	}
}

func TestHelloNamesTheNewestJournals(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	for range 40 {
		e.append(1, 10)
		check(t, e.Begin(t.Context(), "test", 0))
	}
	hello := e.greet()
	if n := len(hello.Journals); n != 32 || hello.Journals[31].Journal != e.Current() || hello.Journals[0].Journal.Generation+31 != e.Current().Generation {
		t.Errorf("%d journals are named, from generation %d to %d", n, hello.Journals[0].Journal.Generation, hello.Journals[n-1].Journal.Generation)
	}
}
