package endtoend

import (
	"slices"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
)

// deviceLife is how long device certificates of the restore test live.
const deviceLife = 6 * time.Second

// TestRestoreOfAnOldSnapshot burns the cloud twice and restores one snapshot
// twice: the second restore finds the edges two certificate lifetimes later.
func TestRestoreOfAnOldSnapshot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.newCloud("cloud", "certificates: {device: "+deviceLife.String()+"}\n")
	c.found()
	c.repository()
	old, stolen := c.newEdge("old", calm), c.newEdge("stolen", calm)
	for _, e := range []*edge{old, stolen} {
		e.start()
		e.measures(3)
	}
	late := c.bareEdge("late", calm)
	r.run("calmsctl device provision %s --ticket-file late.ticket", late.path())
	snapshot := c.snapshot()

	// After it: one whose ticket it holds, unused, and one that it does not know.
	r.run("calms-edge enroll --data late --ticket-file late.ticket")
	young := c.newEdge("young", calm)
	for _, e := range []*edge{late, young} {
		e.start()
		e.measures(3)
	}
	var answer api.Revoked
	if !r.ask(&answer, "calmsctl device revoke %s --reason stolen --yes -o json", stolen.path()) || !answer.Complete {
		t.Fatalf("the repository does not have the revocation: %+v", answer)
	}
	revoked := time.Now()
	before, _ := c.device(young.path())

	for range 2 {
		c.burn()
		expire(old, late, young)
		c.restore(snapshot)
		for _, e := range []*edge{old, late, young} {
			e.talks()
			e.measures(2)
		}
		if after, ok := c.device(young.path()); !ok || after.ID != before.ID || after.State != api.DeviceEnrolled || after.Path != before.Path {
			t.Errorf("the young device came back as %+v, it was %+v", after, before)
		}
		shutOut(c, stolen, revoked)
		r.refused(6, []string{"used"}, "calms-edge enroll --data thief --ticket-file late.ticket")
		r.refused(4, []string{"not known"}, "calms-edge enroll --data thief --ticket-file young.ticket")
	}
	stolen.process.stop()
	for _, e := range []*edge{old, late, young} {
		e.drain()
	}
	c.exact(old, late, young)
}

// expire waits until the certificates of running edges have ended, and two
// lifetimes have passed, while there is no cloud.
func expire(edges ...*edge) {
	time.Sleep(2 * deviceLife)
	for _, e := range edges {
		e.rig.t.Helper()
		if s, ok := e.status(); !ok || time.Now().Before(s.Certificate.NotAfter) || !e.alarmed("certificate") {
			e.rig.t.Errorf("%s: the certificate has not expired, or no alarm says so: %+v", e.name, s)
		}
	}
}

// shutOut wants a revoked device to stay out of a restored cloud.
func shutOut(c *cloud, e *edge, revoked time.Time) {
	c.rig.t.Helper()
	if d, ok := c.device(e.path()); !ok || d.State != api.DeviceRevoked || d.Connected {
		c.rig.t.Errorf("the revoked device is %+v", d)
	}
	if err := brokerTakes(c.rig.t, e.whose(), e.whose().Certificate()); err == nil {
		c.rig.t.Error("the restored broker takes the revoked device")
	}
	if err := apiRenews(c.rig.t, e.whose(), e.whose().Certificate()); err == nil {
		c.rig.t.Error("the restored cloud renews the revoked device")
	}
	s, ok := e.status()
	if !ok || s.Uplink.Talking || !slices.ContainsFunc(s.Alarms, func(a struct{ Kind, Text string }) bool { return a.Kind == "certificate" }) {
		c.rig.t.Errorf("the revoked edge's own status: %+v", s)
	}
	for channel, s := range c.export() {
		for _, times := range s.good {
			if channel[:len(e.path())] == e.path() && times[0].After(revoked) {
				c.rig.t.Errorf("%s: a sample of %s came in after the revocation", channel, stamp(times[0]))
				return
			}
		}
	}
}
