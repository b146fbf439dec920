package uplink_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/wire"
)

func TestHelloSaysWhatIsHeld(t *testing.T) {
	options := uplink.Options{Boot: [16]byte{9}, Registration: wire.SignedRegistration{Body: []byte{1}, Signature: []byte{2}}}
	e := newEdge(t, options)
	e.append(3, 10)
	held, err := e.Held(t.Context())
	check(t, err)
	hello := e.greet()
	if !reflect.DeepEqual(hello.Journals, held) || hello.Boot != options.Boot || !reflect.DeepEqual(hello.Registration, options.Registration) {
		t.Errorf("hello says %+v", hello)
	}
	first := hello.Nonce
	e.Restart()
	if e.greet().Nonce == first {
		t.Error("two hellos have one nonce")
	}
}

func TestNothingIsSentBeforeTheWelcome(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(3, 10)
	e.greet()
	e.silent("before the welcome")
	if e.Talking() {
		t.Error("it talks before the welcome")
	}
	key := wire.IngestKey{ID: "ik-2"}
	check(t, e.take(wire.StreamHello, e.welcoming(wire.WelcomeBody{IngestKeys: []wire.IngestKey{key}})))
	if s := e.drain(); !slices.Equal(s.numbers, []uint64{1, 2, 3}) || !e.Talking() {
		t.Errorf("after it the edge sends %+v", s)
	}
	if len(e.learnt) != 1 || len(e.learnt[0]) != 1 || e.learnt[0][0].ID != "ik-2" {
		t.Errorf("it learnt %+v", e.learnt)
	}
}

func TestSendingBeginsAfterTheCursor(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(5, 10)
	e.greet()
	p := e.position(e.Current(), 3)
	p.Covered = 2
	e.welcome(p)
	if s := e.drain(); !slices.Equal(s.numbers, []uint64{4, 5}) {
		t.Errorf("sent is %v", s.numbers)
	}
	stat, err := e.Stat(t.Context())
	check(t, err)
	if j := stat.Journals[0]; j.Cursor != 3 || j.Covered != 2 {
		t.Errorf("the journal knows of %+v", j)
	}
}

// Silence is answered by hellos after 5 s, doubling to 80 s, each somewhere
// between the half and the whole of it.
func TestHelloBacksOffWithJitter(t *testing.T) {
	late := 0
	for range 8 {
		e := newEdge(t, uplink.Options{})
		e.greet()
		for _, full := range []time.Duration{5, 10, 20, 40, 80, 80} {
			asked := e.now
			full *= time.Second
			for e.now = asked.Add(full/2 - 1); e.next() == nil; e.now = e.now.Add(time.Second / 2) {
				if e.now.Sub(asked) > full {
					t.Fatalf("no hello after %v, the bound is %v", e.now.Sub(asked), full)
				}
			}
			if e.now.Sub(asked) > full*3/4 {
				late++
			}
		}
		e.now = e.now.Add(time.Hour)
		e.greet()
		e.welcome()
		e.Restart()
		e.greet()
		if e.now = e.now.Add(5*time.Second + 1); e.next() == nil {
			t.Error("the wait is not short again after a welcome")
		}
	}
	if late < 5 || late > 43 {
		t.Errorf("%d of 48 waits are longer than three quarters of the bound: a fleet would ask in step", late)
	}
}

func TestForgedAndOldWelcomesChangeNothing(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(2, 10)
	e.greet()
	old := e.welcoming(wire.WelcomeBody{})
	e.Restart()
	e.greet()
	genuine := e.welcoming(wire.WelcomeBody{})
	stranger, err := e.newSession(e.Current())
	check(t, err)
	body := wire.Encode(wire.WelcomeBody{Epoch: calms.Epoch{6}, Nonce: e.hello.Nonce})
	refuse := func(name string, payload []byte) {
		t.Helper()
		kind := calms.KindOf(e.take(wire.StreamHello, payload))
		if kind != calms.KindForbidden && kind != calms.KindInvalid {
			t.Errorf("%s is taken: %v", name, kind)
		}
	}
	for name, payload := range map[string][]byte{
		"nothing":                nil,
		"an earlier one":         old,
		"one without MAC":        wire.Encode(wire.Welcome{Body: body}),
		"one of another":         wire.Encode(wire.Welcome{Body: body, MAC: stranger.MACDown(body)}),
		"the edge's own MAC":     wire.Encode(wire.Welcome{Body: body, MAC: e.session.MACUp(body)}),
		"one to another hello":   e.welcoming(wire.WelcomeBody{Nonce: [16]byte{1}, Epoch: calms.Epoch{6}}),
		"one of a newer version": append([]byte{wire.Version + 1}, genuine[1:]...),
	} {
		refuse(name, payload)
	}
	if e.Talking() || e.Epoch() != (calms.Epoch{}) || len(e.learnt) != 0 {
		t.Fatalf("talking %t, epoch %v", e.Talking(), e.Epoch())
	}
	e.silent("after forged welcomes")
	check(t, e.take(wire.StreamHello, genuine))
	e.drain()
	refuse("the same again", genuine)
	e.silent("after the same welcome again")
	if kind := calms.KindOf(e.take("command", nil)); kind != calms.KindInvalid {
		t.Errorf("an unknown stream gives %v", kind)
	}
}

func TestForgedAndOldCursorsChangeNothing(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(3, 10)
	e.greet()
	early := e.cursor(1)
	if err := e.take(wire.StreamCursor, early); calms.KindOf(err) != calms.KindForbidden {
		t.Errorf("a cursor before the welcome gives %v", err)
	}
	e.counter = 0
	e.welcome()
	attempt := e.drain().attempt
	first := e.cursor(1, rewind(attempt))
	check(t, e.take(wire.StreamCursor, first))
	e.drain()
	e.acknowledge(2)
	body := wire.Encode(wire.CursorBody{Epoch: e.epoch, Nonce: e.hello.Nonce, Counter: 99, Position: wire.Position{Journal: e.Current(), Number: 3}})
	for name, payload := range map[string][]byte{
		"nothing":             nil,
		"the first again":     first,
		"one without MAC":     wire.Encode(wire.Cursor{Body: body}),
		"the edge's own MAC":  wire.Encode(wire.Cursor{Body: body, MAC: e.session.MACUp(body)}),
		"of another hello":    e.cursor(3, func(b *wire.CursorBody) { b.Nonce[0] ^= 1 }),
		"with an old counter": e.cursor(3, func(b *wire.CursorBody) { b.Counter = 2 }),
	} {
		kind := calms.KindOf(e.take(wire.StreamCursor, payload))
		if kind != calms.KindForbidden && kind != calms.KindInvalid {
			t.Errorf("%s is taken: %v", name, kind)
		}
	}
	stat, err := e.Stat(t.Context())
	check(t, err)
	if stat.Journals[0].Cursor != 2 || !e.Talking() {
		t.Errorf("the cursor is at %d, talking %t", stat.Journals[0].Cursor, e.Talking())
	}
	e.silent("after forged cursors")
	e.counter = 50
	e.acknowledge(3, func(b *wire.CursorBody) { b.Journal = wire.JournalID{Device: device, Generation: 77} })
	e.silent("after a cursor of a journal that is not its own")
}

// A window full of answers that ask for a rewind causes one.
func TestRewindOncePerAttempt(t *testing.T) {
	e := newEdge(t, uplink.Options{MaxMessage: 200})
	e.append(6, 100)
	e.greet()
	e.welcome()
	first := e.drain()
	if len(first.streams) < 6 || !slices.Equal(first.numbers, []uint64{1, 2, 3, 4, 5, 6}) {
		t.Fatalf("sent is %+v", first)
	}
	e.acknowledge(2, rewind(first.attempt))
	second := e.drain()
	if !slices.Equal(second.numbers, []uint64{3, 4, 5, 6}) || second.attempt <= first.attempt {
		t.Errorf("after the rewind it sends %v of attempt %d, before %d", second.numbers, second.attempt, first.attempt)
	}
	for range 3 {
		e.acknowledge(2, rewind(first.attempt))
		e.silent("after a rewind of an earlier attempt")
	}
	e.acknowledge(3, rewind(second.attempt))
	if s := e.drain(); !slices.Equal(s.numbers, []uint64{4, 5, 6}) || s.attempt <= second.attempt {
		t.Errorf("after the next rewind it sends %+v", s)
	}
}

func TestWindowCountsBytes(t *testing.T) {
	const window, message, entry = 20_000, 3_000, 700
	e := newEdge(t, uplink.Options{Window: window, MaxMessage: message})
	e.append(100, entry)
	e.greet()
	e.welcome()
	s := e.drain()
	// One entry may stand out of a window, and of a message with what is around it.
	if s.bytes > window+message || s.bytes < window-message || s.largest > message+200 {
		t.Errorf("%d bytes are on their way, the largest message has %d", s.bytes, s.largest)
	}
	last := s.numbers[len(s.numbers)-1]
	e.acknowledge(last - 10)
	more := e.drain()
	if len(more.numbers) == 0 || more.numbers[0] != last+1 || more.bytes > 16*(entry+150) {
		t.Errorf("after room was made %+v is sent", more)
	}
	e.acknowledge(0)
	e.silent("after a cursor that did not move")
}

func TestAnEntryLargerThanTheWindowIsSent(t *testing.T) {
	e := newEdge(t, uplink.Options{Window: 100, MaxMessage: 100})
	e.append(2, 5_000)
	e.greet()
	e.welcome()
	if s := e.drain(); !slices.Equal(s.numbers, []uint64{1}) {
		t.Errorf("sent is %v", s.numbers)
	}
	e.acknowledge(1)
	if s := e.drain(); !slices.Equal(s.numbers, []uint64{2}) {
		t.Errorf("then %v", s.numbers)
	}
}

// Objects go once a connection, before what needs them, and again when asked.
func TestObjects(t *testing.T) {
	e := newEdge(t, uplink.Options{MaxMessage: 200})
	older, err := e.newSession(e.Current())
	check(t, err)
	list := older.SealChannels([]wire.Channel{{Name: "flow"}})
	e.append(2, 100, older.Object(), list)
	name := wire.ObjectName(list)
	e.greet()
	e.welcome()
	s := e.drain()
	want := []string{wire.StreamObjects, wire.StreamObjects, wire.StreamEntries, wire.StreamEntries}
	if !slices.Equal(s.streams, want) || !slices.Equal(s.objects, []wire.Hash{older.Name(), name}) {
		t.Errorf("sent is %+v", s)
	}
	e.acknowledge(0, rewind(s.attempt), func(b *wire.CursorBody) { b.Need = []wire.Hash{name, e.session.Name()} })
	s = e.drain()
	if !slices.Equal(s.streams, want) || !slices.Equal(s.objects, []wire.Hash{e.session.Name(), name}) {
		t.Errorf("after they were asked for %+v is sent", s)
	}
	e.Restart()
	e.greet()
	e.welcome()
	if s = e.drain(); len(s.objects) != 2 {
		t.Errorf("on the next connection %+v is sent", s)
	}
}

func TestGapTellsExactlyWhatIsMissing(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(10, 100)
	for range 4 {
		check(t, e.Evict(t.Context(), 1))
	}
	held, err := e.Held(t.Context())
	check(t, err)
	first := held[0].First
	_, loss, err := e.Read(t.Context(), e.Current(), 3, 1)
	if err != nil || loss == nil || loss.Last != first-1 || first < 4 {
		t.Fatalf("the ledger says %+v, held is %+v, %v", loss, held, err)
	}
	e.greet()
	e.welcome(wire.Position{Journal: e.Current(), Number: 2})
	s := e.drain()
	if len(s.gaps) != 1 || s.numbers[0] != first || s.numbers[len(s.numbers)-1] != 10 {
		t.Fatalf("sent is %+v", s)
	}
	gap := s.gaps[0]
	if gap.First != 3 || gap.Last != loss.Last || gap.LastHash != loss.Hash || gap.Total != loss.Total || gap.Journal != e.Current() {
		t.Errorf("the gap is %+v, the ledger says %+v", gap, loss)
	}
	if detail, err := e.session.OpenGap(gap); err != nil || detail.Reason != "evicted" {
		t.Errorf("it says %+v, %v", detail, err)
	}
}

// A cloud that was restored between welcome and now is greeted anew.
func TestCursorOfAnotherEpochCausesAHello(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(2, 10)
	e.greet()
	e.welcome()
	e.drain()
	e.acknowledge(2, func(b *wire.CursorBody) { b.Epoch = calms.Epoch{2} })
	if stat, err := e.Stat(t.Context()); err != nil || stat.Journals[0].Cursor != 0 {
		t.Errorf("what another life of the cloud has counts: %+v, %v", stat.Journals, err)
	}
	e.greet()
}

func TestReplayIsPaced(t *testing.T) {
	const rate, message = 10_000, 2_000
	e := newEdge(t, uplink.Options{ReplayRate: rate, MaxMessage: message, CursorWait: time.Hour})
	e.append(100, 500)
	e.greet()
	e.welcome()
	if s := e.drain(); len(s.numbers) != 100 {
		t.Fatalf("at a first start %d entries are sent at once", len(s.numbers))
	}
	e.acknowledge(100)
	e.epoch = calms.Epoch{2}
	e.Restart()
	e.greet()
	e.welcome()
	var s sent
	begin := e.now
	for len(s.numbers) < 100 {
		if e.now.Sub(begin) > time.Minute {
			t.Fatalf("%d entries were sent in a minute", len(s.numbers))
		}
		for m := e.next(); m != nil; m = e.next() {
			s.add(t, *m)
		}
		if limit := rate*e.now.Sub(begin).Seconds() + 2*message; float64(s.bytes) > limit {
			t.Fatalf("after %v %d bytes were sent, the bound is %.0f", e.now.Sub(begin), s.bytes, limit)
		}
		e.now = e.now.Add(50 * time.Millisecond)
	}
	if took := e.now.Sub(begin).Seconds(); took > 2*float64(s.bytes)/rate {
		t.Errorf("%d bytes took %.0f s", s.bytes, took)
	}
	e.acknowledge(100)
	e.now = e.now.Add(time.Second)
	e.silent("when everything is on its way")
	e.append(20, 500)
	if s := e.drain(); len(s.numbers) != 20 {
		t.Errorf("after the replay %d entries are sent at once", len(s.numbers))
	}
}

func TestSilenceCausesAHello(t *testing.T) {
	e := newEdge(t, uplink.Options{})
	e.append(2, 10)
	e.greet()
	e.welcome()
	e.drain()
	e.now = e.now.Add(14 * time.Second)
	e.silent("before the time")
	e.acknowledge(1)
	e.now = e.now.Add(14 * time.Second)
	e.silent("after a cursor moved")
	e.acknowledge(1) // moves nothing
	e.now = e.now.Add(time.Second)
	e.greet()
	e.welcome(e.position(e.Current(), 1))
	if s := e.drain(); !slices.Equal(s.numbers, []uint64{2}) {
		t.Errorf("then %v is sent", s.numbers)
	}
	e.acknowledge(2)
	e.now = e.now.Add(9 * time.Minute)
	e.silent("in an idle moment")
	e.append(1, 10)
	if s := e.drain(); !slices.Equal(s.numbers, []uint64{3}) {
		t.Errorf("silence is counted from when something was on its way: %+v", s)
	}
	e.acknowledge(3)
	e.now = e.now.Add(time.Minute)
	e.greet() // the cloud is to know what is held
}
