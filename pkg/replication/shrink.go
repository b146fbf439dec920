package replication

import (
	"errors"
	"slices"
)

// Shrink looks for a shorter schedule that fails too, at most runs runs long
// (0 means 2000): it leaves out ever smaller parts, then makes operands zero.
func Shrink(newWorld func() World, f *Failure, runs int) *Failure {
	s := shrinker{newWorld, defaulted(runs, 2000), f}
	for size := len(f.Schedule); size > 0; size /= 2 {
		for s.withoutParts(size) {
		}
	}
	for s.withSmallOperands() {
	}
	return s.best
}

type shrinker struct {
	newWorld func() World
	runs     int
	best     *Failure
}

// try keeps a candidate that still fails.
func (s *shrinker) try(candidate Schedule) bool {
	if s.runs == 0 {
		return false
	}
	s.runs--
	f, ok := errors.AsType[*Failure](Run(s.newWorld, candidate))
	if ok {
		s.best = &Failure{slices.Clone(f.Schedule), f.Err}
	}
	return ok
}

func (s *shrinker) withoutParts(size int) (shrunk bool) {
	for at := 0; at < len(s.best.Schedule); {
		end := min(at+size, len(s.best.Schedule))
		if s.try(slices.Concat(s.best.Schedule[:at], s.best.Schedule[end:])) {
			shrunk = true
		} else {
			at = end
		}
	}
	return shrunk && size > 1 || shrunk && s.runs > 0
}

func (s *shrinker) withSmallOperands() (shrunk bool) {
	for i := range s.best.Schedule {
		for _, smaller := range []func(*Op){func(o *Op) { o.N = 0 }, func(o *Op) { o.M = 0 }, func(o *Op) { o.Edge = 0 }} {
			if i >= len(s.best.Schedule) {
				break
			}
			candidate := slices.Clone(s.best.Schedule)
			smaller(&candidate[i])
			if candidate[i] != s.best.Schedule[i] && s.try(candidate) {
				shrunk = true
			}
		}
	}
	return shrunk
}
