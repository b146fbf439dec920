package replication

import (
	"slices"
	"testing"
)

// TestFlaws breaks one rule after another: an explorer that cannot tell is a
// defect of the suite. What chance is too unlikely to compose, the small
// schedules find (see small).
func TestFlaws(t *testing.T) {
	rare := []Flaw{AheadStored, GapAhead, GapOverlap, EpochUnsaid}
	for _, flaw := range Flaws() {
		if slices.Contains(rare, flaw) {
			continue
		}
		t.Run(flaw.String(), func(t *testing.T) {
			t.Parallel()
			f, at := Find(world(2, flaw), *seed, 4000, Options{Edges: 3, ShrinkRuns: 500})
			if f == nil {
				t.Fatal("no schedule found it")
			}
			t.Logf("seed %d: %v", at, f)
		})
	}
	for _, flaw := range rare {
		if !slices.ContainsFunc(small, func(c smallCase) bool { return slices.Contains(c.finds, flaw) }) {
			t.Errorf("nothing looks for %s", flaw)
		}
	}
}

func TestCheckInvariants(t *testing.T) {
	s := parse(t, carried+"append 0; send 0")
	for flaw, broken := range map[Flaw]bool{Sound: false, PubackTrusted: true} {
		w := NewModel(1, flaw)
		history := []Observation{w.Observe()}
		for _, op := range s {
			if err := w.Apply(op); err != nil {
				t.Fatal(err)
			}
			history = append(history, w.Observe())
		}
		if err := CheckInvariants(s, history); (err != nil) != broken {
			t.Errorf("%s: %v", flaw, err)
		}
	}
}

// TestShrink keeps failures readable.
func TestShrink(t *testing.T) {
	f, _ := Find(world(1, PubackTrusted), *seed, 4000, Options{})
	if f == nil || len(f.Schedule) > 4 {
		t.Errorf("shrunk to %v, want a hello, its answer, an append and a send", f)
	}
}
