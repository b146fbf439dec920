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

// TestALostObjectCostsOnlyWhatNeedsIt takes the objects out of an edge's journal
// before anything was sent: what nobody can open becomes a gap, and what comes
// after it arrives.
func TestALostObjectCostsOnlyWhatNeedsIt(t *testing.T) {
	w := worlds(t, 1)().(*real)
	defer w.Close()
	e := w.edges[0]
	do := func(kinds ...replication.Kind) {
		t.Helper()
		for _, k := range kinds {
			if err := w.Apply(replication.Op{Kind: k}); err != nil {
				t.Fatal(err)
			}
		}
	}
	do(replication.Cut, replication.Append, replication.Append)
	if err := e.harm(`DELETE FROM objects`); err != nil {
		t.Fatal(err)
	}
	do(replication.Append, replication.Connect)
	for range 20 {
		do(replication.DeliverUp, replication.DeliverUp, replication.DeliverDown, replication.DeliverDown, replication.Send)
	}
	o := w.Observe()
	r := o.Replicas[len(o.Replicas)-1]
	if r.Cursor != 3 || len(r.Gaps) != 1 || r.Gaps[0] != (replication.Range{First: 1, Last: 2}) || len(o.Stored) != 1 {
		t.Errorf("the cloud has %+v and stored %v", r, o.Stored)
	}
}
