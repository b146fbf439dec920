package replication

import (
	"flag"
	"testing"
)

var (
	seed     = flag.Uint64("replication.seed", 1, "first seed of the random schedules")
	runs     = flag.Int("replication.runs", 200, "random schedules per test")
	schedule = flag.String("replication.schedule", "", "a schedule to run against three sound edges")
)

func world(edges int, flaw Flaw) func() World {
	return func() World { return NewModel(edges, flaw) }
}

func parse(t testing.TB, text string) Schedule {
	t.Helper()
	s, err := ParseSchedule(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGivenSchedule repeats what a failure printed.
func TestGivenSchedule(t *testing.T) {
	if err := Run(world(3, Sound), parse(t, *schedule)); err != nil {
		t.Fatal(err)
	}
}

func TestScenarios(t *testing.T) {
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			if err := Run(world(2, Sound), s.Schedule); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestRandomSchedules(t *testing.T) {
	for _, c := range []struct {
		name   string
		edges  int
		others []Kind
		o      Options
	}{
		{"one edge", 1, []Kind{Clone, MisrouteUp, Revoke, Enrol}, Options{Edges: 1}},
		{"two edges", 2, []Kind{Clone}, Options{Edges: 2, Steps: 80}},
		{"clones", 2, nil, Options{Edges: 4, Steps: 100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.o.Ops = Without(Everything(), c.others...)
			Explore(t, world(c.edges, Sound), *seed, *runs, c.o)
		})
	}
}

// TestRandomSchedulesReach keeps the explorer from passing because nothing
// happens.
func TestRandomSchedulesReach(t *testing.T) {
	var stored, gaps, branches, losses, epochs, journals int
	for s := range uint64(200) {
		r, err := start(NewModel(2, Sound))
		for _, op := range Draw(s, Options{Edges: 3}) {
			if err == nil {
				err = r.apply(op)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		stored += len(r.seen.Stored)
		branches += len(r.seen.Branches)
		losses += len(r.seen.Losses)
		for _, replica := range r.seen.Replicas {
			gaps += len(replica.Gaps)
			journals++
		}
		if r.seen.Epoch != "1" {
			epochs++
		}
	}
	t.Logf("%d samples, %d gaps, %d branches, %d losses, %d epochs, %d journals", stored, gaps, branches, losses, epochs, journals)
	if stored < 400 || gaps < 20 || branches < 5 || losses < 50 || epochs < 50 || journals < 300 {
		t.Error("the schedules hardly do anything")
	}
}
