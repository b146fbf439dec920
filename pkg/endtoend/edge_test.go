package endtoend

import (
	"fmt"
	"time"
)

// edge is one calms-edge with its instrument and its link to the cloud.
type edge struct {
	rig        *rig
	cloud      *cloud
	name       string
	config     string
	relay      *relay
	instrument *instrument
	process    *process
}

// pace is how fast an edge measures.
type pace struct {
	floats          int
	interval, batch time.Duration
}

// calm is enough for what is no test of load.
var calm = pace{floats: 4, interval: 100 * time.Millisecond, batch: 500 * time.Millisecond}

// newEdge makes an edge with its instrument, and enrols it.
func (c *cloud) newEdge(name string, p pace) *edge {
	c.rig.t.Helper()
	e := c.bareEdge(name, p)
	e.enrol()
	return e
}

// bareEdge is an edge that has not enrolled.
func (c *cloud) bareEdge(name string, p pace) *edge {
	c.rig.t.Helper()
	e := &edge{rig: c.rig, cloud: c, name: name, config: name + ".yaml"}
	e.relay = newRelay(c.rig.t, c.broker)
	e.instrument = c.rig.newInstrument(name, p.floats)
	idle := fmt.Sprintf("batch: %s\nuplink:\n  broker: %s\n", p.batch, e.relay.address())
	c.rig.write(name+"-idle.yaml", idle)
	c.rig.write(name+".yaml", idle+fmt.Sprintf("instruments:\n  - {name: %s, profile: %s, address: %q, interval: %s}\n",
		instrumentName, e.instrument.profile, e.instrument.address, p.interval))
	return e
}

func (e *edge) enrol() {
	e.rig.t.Helper()
	e.rig.run("calmsctl device provision %s --ticket-file %s.ticket", e.path(), e.name)
	e.rig.run("calms-edge enroll --data %s --ticket-file %s.ticket", e.name, e.name)
}

func (e *edge) path() string { return "acme/ljubljana/" + e.name }

// start starts it; env may arm a crash point.
func (e *edge) start(env ...string) {
	e.rig.t.Helper()
	cmd := e.rig.command("calms-edge run --data %s --config %s", e.name, e.config)
	cmd.Env = append(cmd.Env, env...)
	e.process = e.rig.spawn(e.name, cmd)
}

// edgeStatus is what of `calms-edge status` is looked at.
type edgeStatus struct {
	Alarms []struct{ Kind, Text string }
	Uplink struct {
		Connected, Talking bool
		Refused            uint64
	}
	Certificate struct{ NotAfter time.Time }
	Journal     struct {
		Head, Cursor, Waiting uint64
	}
	Samples struct {
		Samples, Stored, Dropped uint64
		Pending                  int
		LastError                string
	}
}

func (e *edge) status() (s edgeStatus, ok bool) {
	return s, e.rig.ask(&s, "calms-edge status --data %s -o json", e.name)
}

// alarmed reports whether the edge itself shows an alarm.
func (e *edge) alarmed(kind string) bool {
	s, _ := e.status()
	for _, a := range s.Alarms {
		if a.Kind == kind {
			return true
		}
	}
	return false
}

// talks waits until cloud and edge talk to each other.
func (e *edge) talks() {
	e.rig.t.Helper()
	e.rig.await(e.name+" talks to the cloud", func() bool {
		s, ok := e.status()
		return ok && s.Uplink.Talking
	})
}

// measures waits until the cloud has stored so many entries more.
func (e *edge) measures(entries uint64) {
	e.rig.t.Helper()
	var begin uint64
	e.rig.await(e.name+" brings samples to the cloud", func() bool {
		s, ok := e.status()
		if ok && begin == 0 {
			begin = max(1, s.Journal.Cursor)
		}
		return ok && s.Journal.Cursor >= begin+entries
	})
}

// journals is what of `calms-edge journal stat` is looked at.
type journals struct {
	Journals []struct {
		Head, Total, Cursor uint64
		Lost                []struct{ First, Last uint64 }
	}
}

// journal looks into the journal file.
func (e *edge) journal() (j journals) {
	e.rig.t.Helper()
	if !e.rig.ask(&j, "calms-edge journal stat --data %s -o json", e.name) {
		e.rig.t.Fatalf("the journal of %s cannot be read", e.name)
	}
	return j
}

// counted is how many samples the edge has ever stored.
func (j journals) counted() (total int) {
	for _, one := range j.Journals {
		total += int(one.Total)
	}
	return total
}

// drain stops the measuring in order, and waits until the cloud has everything.
func (e *edge) drain() {
	e.rig.t.Helper()
	e.relay.setCut(false)
	e.process.stop()
	e.config = e.name + "-idle.yaml"
	e.start()
	e.rig.await("the cloud has all of "+e.name, func() bool {
		s, ok := e.status()
		return ok && s.Uplink.Talking && s.Journal.Waiting == 0
	})
	e.process.stop()
	e.config = e.name + ".yaml"
}
