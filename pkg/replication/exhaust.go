package replication

import "errors"

// Exhaust runs every schedule over the alphabet up to depth, after a prefix,
// and fails t with the shrunk first one that breaks an invariant. A [Forker]
// is visited state by state, and a copy of every state is left to settle; what
// only a checker remembers of the way there does not make a state another. Any
// other world is run history by history, and settles at the end of each.
func Exhaust(t TB, newWorld func() World, prefix Schedule, alphabet []Op, depth int) {
	t.Helper()
	f, visited := Search(newWorld, prefix, alphabet, depth)
	t.Logf("replication: %d schedules and states of depth %d over %d ops", visited, depth, len(alphabet))
	if f != nil {
		t.Fatalf("%v", f)
	}
}

// Search is [Exhaust] for a caller who hopes for a failure; visited counts the
// states (or histories) that were tried.
func Search(newWorld func() World, prefix Schedule, alphabet []Op, depth int) (f *Failure, visited int) {
	s := search{newWorld: newWorld, alphabet: alphabet}
	var err error
	if _, ok := newWorld().(Forker); ok {
		err = s.states(prefix, depth)
	} else {
		err = s.histories(prefix, depth)
	}
	if failed, ok := errors.AsType[*Failure](err); ok {
		f = Shrink(newWorld, failed, 0)
	} else if err != nil {
		f = &Failure{prefix, err}
	}
	return f, s.visited
}

type search struct {
	newWorld func() World
	alphabet []Op
	visited  int
}

func (s *search) histories(prefix Schedule, depth int) error {
	if depth == 0 {
		s.visited++
		return Run(s.newWorld, prefix)
	}
	for _, op := range s.alphabet {
		if err := s.histories(append(prefix[:len(prefix):len(prefix)], op), depth-1); err != nil {
			return err
		}
	}
	return nil
}

// states goes breadth first, so that a state is met first by a shortest
// schedule.
func (s *search) states(prefix Schedule, depth int) error {
	r, err := start(s.newWorld())
	for i := 0; err == nil && i < len(prefix); i++ {
		err = r.apply(prefix[i])
	}
	if err != nil {
		return err
	}
	seen := map[Key]bool{}
	layer := []*runner{r}
	for range depth {
		if layer, err = s.layer(layer, seen); err != nil {
			return err
		}
	}
	return nil
}

// layer makes the states one op beyond those of a layer that are new, and
// settles a copy of each.
func (s *search) layer(from []*runner, seen map[Key]bool) (next []*runner, err error) {
	for _, r := range from {
		for _, op := range s.alphabet {
			n := r.fork()
			if err := n.apply(op); err != nil {
				return nil, err
			}
			if key := n.world.(Forker).Key(); !seen[key] {
				seen[key] = true
				s.visited++
				next = append(next, n)
				if err := n.fork().settle(); err != nil {
					return nil, err
				}
			}
		}
	}
	return next, nil
}

func (r *runner) fork() *runner {
	f := *r
	f.world = r.world.(Forker).Fork()
	f.done = f.done[:len(f.done):len(f.done)]
	return &f
}
