package ingest

import (
	"sync/atomic"
	"time"

	"go.calms.com/calms/pkg/replica"
)

// unconfirmed is the activation time of a key that no repository holds yet.
var unconfirmed time.Time

// counts are ingest's running totals.
type counts struct {
	entries, samples, duplicates, gaps, lost, forks, dropped, refused atomic.Uint64

	fullDisk atomic.Bool // nothing was stored since the disk was found full
}

// Counts are ingest's totals since its start.
type Counts struct {
	Entries    uint64 // stored
	Samples    uint64 // stored
	Duplicates uint64 // entries that were stored already
	Gaps       uint64
	Lost       uint64 // samples in gaps
	Forks      uint64 // journals quarantined
	Dropped    uint64 // messages that were malformed or forged
	Refused    uint64 // messages of revoked devices
}

// Counts reads the totals.
func (i *Ingest) Counts() Counts {
	c := &i.counts
	return Counts{
		Entries: c.entries.Load(), Samples: c.samples.Load(), Duplicates: c.duplicates.Load(), Gaps: c.gaps.Load(),
		Lost: c.lost.Load(), Forks: c.forks.Load(), Dropped: c.dropped.Load(), Refused: c.refused.Load(),
	}
}

func (c *counts) add(out replica.Outcome) {
	c.entries.Add(uint64(out.Stored))
	c.samples.Add(uint64(out.Samples))
	c.duplicates.Add(uint64(out.Duplicates))
	c.lost.Add(out.Lost)
	if out.Forked {
		c.forks.Add(1)
	}
}
