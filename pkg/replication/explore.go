package replication

import (
	"errors"
	"math/rand/v2"
)

// TB is what an explorer needs of a test.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Options shape what [Explore] draws.
type Options struct {
	// Ops is how likely each kind is, by weight. A harness that cannot do a
	// kind leaves it out. Nil means [Everything].
	Ops map[Kind]int
	// Steps is how many draws make a schedule, each one op or the whole way of
	// a message; 0 means 50.
	Steps int
	// Edges bounds the edge operands; 0 means 1.
	Edges int
	// ShrinkRuns bounds the runs spent on shrinking a failure; 0 means 2000.
	ShrinkRuns int
}

// Everything weighs all kinds. What ends a story (a revocation, a wipe) comes
// least.
func Everything() map[Kind]int {
	ops := map[Kind]int{}
	for k := range kindCount {
		ops[k] = 4
	}
	for k, weight := range map[Kind]int{
		Append: 8, Send: 8, DeliverUp: 10, DeliverDown: 8, Evict: 6, Snapshot: 6, Restore: 6, Tick: 6, Connect: 8,
		Wipe: 2, RestartEdge: 2, Clone: 2, Revoke: 1,
	} {
		ops[k] = weight
	}
	return ops
}

// Without is the weights without some kinds.
func Without(ops map[Kind]int, kinds ...Kind) map[Kind]int {
	for _, k := range kinds {
		delete(ops, k)
	}
	return ops
}

// Explore runs random schedules, one per seed from seed on, and fails t with
// the shrunk schedule and its seed when one breaks an invariant.
func Explore(t TB, newWorld func() World, seed uint64, runs int, o Options) {
	t.Helper()
	t.Logf("replication: seeds %d to %d", seed, seed+uint64(runs)-1)
	if f, at := Find(newWorld, seed, runs, o); f != nil {
		t.Fatalf("seed %d: %v", at, f)
	}
}

// Find is [Explore] for a caller who hopes for a failure: it returns the first
// one, shrunk, and its seed, or nil.
func Find(newWorld func() World, seed uint64, runs int, o Options) (*Failure, uint64) {
	for at := seed; at < seed+uint64(runs); at++ {
		err := Run(newWorld, Draw(at, o))
		if err == nil {
			continue
		}
		f, ok := errors.AsType[*Failure](err)
		if !ok {
			return &Failure{Draw(at, o), err}, at
		}
		return Shrink(newWorld, f, o.ShrinkRuns), at
	}
	return nil, 0
}

// Draw makes the schedule of a seed: single ops, and between them the whole
// way of a message, which chance alone would hardly ever compose.
func Draw(seed uint64, o Options) Schedule {
	random := rand.New(rand.NewPCG(seed, 0))
	bag, edges := o.bag(), defaulted(o.Edges, 1)
	var s Schedule
	for range defaulted(o.Steps, 50) {
		if random.IntN(4) == 0 {
			s = append(s, o.way(random, random.IntN(edges))...)
		} else {
			s = append(s, drawOp(random, bag[random.IntN(len(bag))], edges))
		}
	}
	return s
}

// way is what moves an edge on by a message and its answer, after a hello that
// may be under way, of the kinds that may be used. Now and then a side dies at
// its part of it.
func (o Options) way(random *rand.Rand, edge int) (s Schedule) {
	for _, k := range []Kind{Append, DeliverUp, DeliverDown, Send, DeliverUp, DeliverUp, DeliverDown, DeliverDown} {
		if random.IntN(12) == 0 {
			k = map[bool]Kind{true: CrashCloud, false: CrashEdge}[k == DeliverUp]
		}
		if o.Ops == nil || o.Ops[k] > 0 {
			op := drawOp(random, k, 1)
			op.Edge, op.N = edge, 0
			s = append(s, op)
		}
	}
	return s
}

// bag holds each kind as often as it weighs, in an order that a seed can rely
// on.
func (o Options) bag() (bag []Kind) {
	ops := o.Ops
	if ops == nil {
		ops = Everything()
	}
	for k := range kindCount {
		for range ops[k] {
			bag = append(bag, k)
		}
	}
	return bag
}

// drawOp draws the operands that the kind has. Small numbers come more often:
// brokers mostly deliver in order.
func drawOp(random *rand.Rand, k Kind, edges int) Op {
	op := Op{Kind: k}
	for _, operand := range kinds[k].shape {
		switch operand {
		case 'e':
			op.Edge = random.IntN(edges)
		case 's':
			op.Step = drawStep(random, k)
		case 'n':
			op.N = random.IntN(4) * random.IntN(2)
		case 'm':
			op.M = random.IntN(3)
		}
	}
	return op
}

func drawStep(random *rand.Rand, k Kind) Step {
	if k == CrashCloud {
		return Received + Step(random.IntN(int(stepCount-Received)))
	}
	return Step(random.IntN(int(Received)))
}

func defaulted(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}
