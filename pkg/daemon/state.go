package daemon

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Readiness is what /readyz answers.
type Readiness struct {
	Schema  int           `json:"schema"` // 1
	Ready   bool          `json:"ready"`
	Targets []TargetState `json:"targets"` // in the order of starting
}

// TargetState is one target's part of [Readiness].
type TargetState struct {
	Name  string    `json:"name"`
	State string    `json:"state"` // starting, ready, unready, stopping or stopped
	Since time.Time `json:"since"`
	Error string    `json:"error,omitempty"`

	served bool // it has served before
}

// States of a target.
const (
	stateStarting = "starting" // has not served yet
	stateReady    = "ready"
	stateUnready  = "unready" // served, and cannot now
	stateStopping = "stopping"
	stateStopped  = "stopped"
)

// states is what is known of the targets. It is a metric too.
type states struct {
	mu       sync.Mutex
	targets  []TargetState // guarded by mu
	stopping bool          // guarded by mu
}

func newStates(targets []Target) *states {
	s := &states{}
	for _, t := range targets {
		s.targets = append(s.targets, TargetState{Name: t.Name, State: stateStarting, Since: time.Now()})
	}
	return s
}

// find is a target's entry; mu is held.
func (s *states) find(name string) *TargetState {
	i := slices.IndexFunc(s.targets, func(t TargetState) bool { return t.Name == name })
	return &s.targets[i]
}

func (t *TargetState) enter(state string, err error) {
	if t.State != state {
		t.State, t.Since = state, time.Now()
	}
	t.Error = ""
	if err != nil {
		t.Error = err.Error()
	}
}

// report notes what a target says of itself, and tells whether it serves for
// the first time.
func (s *states) report(name string, err error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.find(name)
	switch {
	case s.stopping:
		return false
	case err == nil:
		first, t.served = !t.served, true
		t.enter(stateReady, nil)
	case t.served:
		t.enter(stateUnready, err)
	default:
		t.enter(stateStarting, err)
	}
	return first
}

// stop says "not ready" for all, before any of them stops.
func (s *states) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for i := range s.targets {
		if t := &s.targets[i]; t.State != stateStopped {
			t.enter(stateStopping, nil)
		}
	}
}

func (s *states) end(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find(name).enter(stateStopped, err)
}

func (s *states) readiness() Readiness {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Readiness{Schema: 1, Ready: true, Targets: slices.Clone(s.targets)}
	for _, t := range r.Targets {
		r.Ready = r.Ready && t.State == stateReady
	}
	return r
}

var readyDesc = prometheus.NewDesc("calms_target_ready", "1 where the target serves, else 0.", []string{"target"}, nil)

// Describe is for Prometheus.
func (*states) Describe(ch chan<- *prometheus.Desc) { ch <- readyDesc }

// Collect is for Prometheus.
func (s *states) Collect(ch chan<- prometheus.Metric) {
	for _, t := range s.readiness().Targets {
		value := 0.0
		if t.State == stateReady {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, value, t.Name)
	}
}
