package sensor

import (
	"maps"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// Counters is a snapshot of what a sampler has done since it was made.
type Counters struct {
	Instruments []InstrumentCounters // in the order of the configuration
	Sink        SinkCounters
}

// InstrumentCounters tells how the reading of one instrument goes.
type InstrumentCounters struct {
	Instrument      string
	Reads           uint64                   // questions to the driver
	Failures        map[calms.Quality]uint64 // bad samples by reason
	MissedTicks     uint64                   // ticks that passed without a read
	UnrecordedTicks uint64                   // those of them too many to become bad samples
	Lateness        time.Duration            // of the newest read against its tick
	MaxLateness     time.Duration
	LastError       string // why the newest read had bad values; empty when it had none
}

// SinkCounters tells what became of the samples. Samples is always the sum of
// Stored, Dropped, Pending and the group that the sink works on.
type SinkCounters struct {
	Samples   uint64 // handed over in groups
	Stored    uint64
	Dropped   uint64 // lost because the sink failed for too long
	Pending   int    // waiting in memory
	Failures  uint64 // attempts that the sink refused
	LastError string // of the newest attempt; empty when it succeeded
}

func (p *poller) snapshot() InstrumentCounters {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counters
	c.Failures = maps.Clone(c.Failures)
	return c
}
