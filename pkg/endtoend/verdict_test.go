package endtoend

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.calms.com/calms/pkg/api"
)

// stored is what a cloud exports of one channel.
type stored struct {
	good map[float64][]time.Time // when each value was measured, once if all is well
	bad  []time.Time             // samples without a value, in order
}

// export asks the cloud for all samples, by the command that people use.
func (c *cloud) export() map[string]*stored {
	c.rig.t.Helper()
	c.rig.run("calmsctl data export acme --file export.jsonl")
	channels := map[string]*stored{}
	err := eachLine(c.rig.file("export.jsonl"), func(line []byte) error {
		var s api.Sample
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		channel := channels[s.Channel]
		if channel == nil {
			channel = &stored{good: map[float64][]time.Time{}}
			channels[s.Channel] = channel
		}
		if s.Value == nil {
			channel.bad = append(channel.bad, s.Time)
		} else {
			channel.good[*s.Value] = append(channel.good[*s.Value], s.Time)
		}
		return nil
	})
	if err != nil {
		c.rig.t.Fatal(err)
	}
	return channels
}

// death is one end of an edge by force: between the signal and its effect.
type death struct{ from, to time.Time }

// verdict is what holding an export against the instrument's log showed.
type verdict struct {
	Served  int           // values in the instrument's log
	Good    int           // samples with a value in the export
	Bad     int           // samples without
	Unread  int           // served, and exported as bad: the answer came too late
	Tail    int           // served, and taken by a kill before it was stored
	Longest time.Duration // from the oldest such value to its kill

	Doubled, Foreign, Misplaced, Missing int      // faults
	examples                             []string // of faults
}

// Bounds of what is no fault.
const (
	readTimeout = 1500 * time.Millisecond // an edge's patience with an instrument, and then some
	afterlife   = 300 * time.Millisecond  // a question of a dead edge may still be answered
)

// judge holds what the cloud exports of an edge against its instrument's log.
// Values that a kill took must be the last ones before it, and younger than tail.
func (e *edge) judge(exported map[string]*stored, deaths []death, tail time.Duration) verdict {
	var v verdict
	for channel, log := range e.instrument.served(e.path()) {
		s := exported[channel]
		if s == nil {
			s = &stored{}
		}
		v.channel(channel, log, s, deaths, tail)
	}
	for channel, s := range exported {
		if strings.HasPrefix(channel, e.path()+"/") {
			v.Bad += len(s.bad)
		}
	}
	return v
}

func (v *verdict) channel(name string, log []reading, s *stored, deaths []death, tail time.Duration) {
	v.Served += len(log)
	known := map[float64]bool{}
	var newest time.Time // the next younger value that is stored was served then
	for _, r := range slices.Backward(log) {
		known[r.value] = true
		times := s.good[r.value]
		if len(times) == 0 {
			v.miss(name, r, s, newest, deaths, tail)
			continue
		}
		newest = r.at
		if early := r.at.Sub(times[0]); early < -readTimeout || early > readTimeout {
			v.fault(&v.Misplaced, "%s: %v was served at %s and is stored at %s", name, r.value, stamp(r.at), stamp(times[0]))
		}
	}
	for value, times := range s.good {
		v.Good += len(times)
		if len(times) > 1 {
			v.fault(&v.Doubled, "%s: %v is stored %d times", name, value, len(times))
		}
		if !known[value] {
			v.fault(&v.Foreign, "%s: %v was never served", name, value)
		}
	}
}

// miss judges a value that is not stored; newest is when the next one that is
// was served.
func (v *verdict) miss(name string, r reading, s *stored, newest time.Time, deaths []death, tail time.Duration) {
	i, _ := slices.BinarySearchFunc(s.bad, r.at.Add(-readTimeout), time.Time.Compare)
	if i < len(s.bad) && s.bad[i].Before(r.at.Add(readTimeout)) {
		v.Unread++
		return
	}
	for _, d := range deaths {
		if r.at.After(d.to.Add(afterlife)) {
			continue
		}
		lost := d.from.Sub(r.at)
		if lost > tail || !newest.IsZero() && newest.Before(d.from) {
			break
		}
		v.Tail++
		v.Longest = max(v.Longest, lost)
		return
	}
	v.fault(&v.Missing, "%s: %v, served at %s, is missing", name, r.value, stamp(r.at))
}

const maxExamples = 5

func (v *verdict) fault(count *int, format string, args ...any) {
	if *count++; len(v.examples) < maxExamples {
		v.examples = append(v.examples, fmt.Sprintf(format, args...))
	}
}

// faults is empty where the cloud has what the instrument served, once.
func (v verdict) faults() string {
	if v.Served == 0 || v.Good == 0 {
		return "nothing was measured"
	}
	return strings.Join(v.examples, "\n")
}

func (v verdict) String() string {
	return fmt.Sprintf("%d values served; exported %d good and %d bad; read too late %d, lost with a kill %d (the longest tail %s); doubled %d, foreign %d, misplaced %d, missing %d",
		v.Served, v.Good, v.Bad, v.Unread, v.Tail, v.Longest.Round(time.Millisecond), v.Doubled, v.Foreign, v.Misplaced, v.Missing)
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// exact wants everything that the instruments served in the cloud, once, and as
// many samples as the edges counted.
func (c *cloud) exact(edges ...*edge) {
	c.rig.t.Helper()
	exported := c.export()
	for _, e := range edges {
		v := e.judge(exported, nil, 0)
		if faults := v.faults(); faults != "" {
			c.rig.t.Errorf("%s: %s\n%s", e.name, v, faults)
		}
		if counted := e.journal().counted(); counted != v.Good+v.Bad {
			c.rig.t.Errorf("%s counted %d samples and %d are exported", e.name, counted, v.Good+v.Bad)
		}
	}
}
