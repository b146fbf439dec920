//go:build crashpoints

package replication_test

import (
	"flag"
	"os"
	"testing"

	"go.calms.com/calms/pkg/replication"
)

var (
	realSeed     = flag.Uint64("replication.real-seed", 1, "first seed of the schedules against the real code")
	realRuns     = flag.Int("replication.real-runs", 60, "random schedules against the real code")
	realSchedule = flag.String("replication.real-schedule", "", "a schedule to run against the real code instead of the random ones")
)

// worlds makes real worlds with some edges.
func worlds(t *testing.T, edges int) func() replication.World {
	t.Helper()
	pki, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	template, err := os.MkdirTemp(memory(), "replication-template-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(template) })
	if err := makeTemplate(template, pki); err != nil {
		t.Fatal(err)
	}
	return func() replication.World { return newReal(t, pki, template, edges) }
}

// TestRealCode runs random schedules of the model against the real journal,
// uplink, ingest and history.
func TestRealCode(t *testing.T) {
	newWorld := worlds(t, 2)
	if *realSchedule != "" {
		schedule, err := replication.ParseSchedule(*realSchedule)
		if err != nil {
			t.Fatal(err)
		}
		if err := replication.Run(newWorld, schedule); err != nil {
			t.Fatal(err)
		}
		return
	}
	replication.Explore(t, newWorld, *realSeed, *realRuns, replication.Options{Edges: 2, ShrinkRuns: 150})
}

// TestRealScenarios runs the page's stories against the real code.
func TestRealScenarios(t *testing.T) {
	newWorld := worlds(t, 2)
	for _, s := range replication.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			if err := replication.Run(newWorld, s.Schedule); err != nil {
				t.Fatal(err)
			}
		})
	}
}
