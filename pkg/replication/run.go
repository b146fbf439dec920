package replication

import (
	"cmp"
	"errors"
	"fmt"
	"io"
)

// Failure is a schedule that breaks an invariant.
type Failure struct {
	Schedule Schedule
	Err      error
}

func (f *Failure) Error() string { return fmt.Sprintf("%v\nschedule: %s", f.Err, f.Schedule) }

// Run takes a new world through the schedule, checks the invariants after each
// op, then lets the world settle and checks that nothing is missing. It
// returns a [*Failure], whose schedule ends with the op that broke something,
// or nil.
func Run(newWorld func() World, schedule Schedule) error {
	r, failure := start(newWorld())
	for i := 0; failure == nil && i < len(schedule); i++ {
		failure = r.apply(schedule[i])
	}
	if failure == nil {
		failure = r.settle()
	}
	return errors.Join(failure, r.close())
}

// runner is a world on its way, with the history that its checks need.
type runner struct {
	world   World
	checker Checker
	done    Schedule
	refused []string
	seen    Observation
}

func start(w World) (*runner, error) {
	r := &runner{world: w}
	if err := r.look(Op{Kind: Tick}); err != nil {
		return r, r.fail(err)
	}
	return r, nil
}

func (r *runner) close() error {
	if c, ok := r.world.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (r *runner) fail(err error) error {
	return &Failure{Schedule: r.done, Err: err}
}

func (r *runner) apply(op Op) error {
	r.done = append(r.done, op)
	if device, ok := r.seen.revokes(op); ok {
		r.refused = append(r.refused[:len(r.refused):len(r.refused)], device)
	}
	if err := r.world.Apply(op); err != nil {
		return r.fail(fmt.Errorf("%s: %w", op, err))
	}
	if err := r.look(op); err != nil {
		return r.fail(err)
	}
	return nil
}

// look observes and checks.
func (r *runner) look(op Op) error {
	r.seen = r.world.Observe()
	return r.checker.Check(op, r.seen)
}

// Rounds of silence after which a world must have settled: some for the
// hellos, and for each entry of the world one to send and one to rewind.
func (r *runner) patience() int {
	rounds := 12
	for _, e := range r.seen.Edges {
		rounds += 2 * len(e.Counted)
	}
	return rounds
}

// restful is how many timeouts in a row a settled world must pass without
// sending an entry or starting a journal.
const restful = 3

// settle brings links up, stops all faults and lets timeouts pass until
// nothing is missing and nothing goes on. Its ops are no part of the schedule.
func (r *runner) settle() error {
	var missing error
	rested := 0
	for range r.patience() {
		before := r.seen
		if err := r.round(); err != nil {
			return r.fail(fmt.Errorf("while settling: %w", err))
		}
		if err := cmp.Or(Settled(r.seen, r.refused), goesOn(before, r.seen)); err != nil {
			rested, missing = 0, err
		} else if rested++; rested == restful {
			return nil
		}
	}
	return r.fail(fmt.Errorf("not settled after %d rounds: %w", r.patience(), missing))
}

// goesOn tells which edge was busy: a further timeout may cost a hello, never
// an entry or a journal.
func goesOn(before, after Observation) error {
	for i, e := range after.Edges {
		if b := before.Edges[i]; e.Sent != b.Sent || len(e.Held) != len(b.Held) {
			return fmt.Errorf("edge %d: goes on: %d sent and %d journals, then %d and %d", i, b.Sent, len(b.Held), e.Sent, len(e.Held))
		}
	}
	return nil
}

// round is one timeout, and everything that follows from it.
func (r *runner) round() error {
	if err := r.world.Apply(Op{Kind: Tick}); err != nil {
		return err
	}
	for i := range r.seen.Edges {
		if err := r.world.Apply(Op{Kind: Connect, Edge: i}); err != nil {
			return err
		}
		if err := r.drain(i); err != nil {
			return err
		}
	}
	return r.look(Op{Kind: Tick})
}

// drain lets edge i send, and delivers what it has in flight, until it is
// quiet. An edge that never is has a loop.
func (r *runner) drain(i int) error {
	for range 4 * r.patience() {
		before := r.world.Observe().Edges[i]
		if err := r.world.Apply(Op{Kind: Send, Edge: i}); err != nil {
			return err
		}
		now := r.world.Observe().Edges[i]
		if now.Up == 0 && now.Down == 0 && now.Sent == before.Sent {
			return nil
		}
		if err := r.deliver(i, now); err != nil {
			return err
		}
	}
	return fmt.Errorf("edge %d: never stops sending", i)
}

// deliver hands over what was in flight, all of it and in order.
func (r *runner) deliver(i int, e Edge) error {
	for range e.Up {
		if err := r.world.Apply(Op{Kind: DeliverUp, Edge: i}); err != nil {
			return err
		}
	}
	for range r.world.Observe().Edges[i].Down {
		if err := r.world.Apply(Op{Kind: DeliverDown, Edge: i}); err != nil {
			return err
		}
	}
	return nil
}
