package main

import (
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/replica"
)

// Margin implements [httpapi.Margins]: what a restore of the newest snapshot
// would ask of the edge, against what the edge said that it holds.
func (c *cloud) Margin(journals []replica.Journal) *api.Margin {
	snapshot := c.snapshot.Load()
	margin := &api.Margin{Snapshot: snapshot, Sufficient: snapshot != nil}
	heard := false
	for _, j := range journals {
		if j.Held == 0 {
			continue // entries came, but no hello told what is held
		}
		heard = true
		if j.Cursor.Covered < j.Cursor.Number && j.Held > j.Cursor.Covered+1 {
			margin.Sufficient = false
		}
		if oldest := time.Unix(0, j.Oldest).UTC(); j.Oldest != 0 && (margin.OldestEntry == nil || oldest.Before(*margin.OldestEntry)) {
			margin.OldestEntry = &oldest
		}
	}
	if !heard {
		return nil
	}
	return margin
}

// shrinking reports whether a margin that suffices may be gone before the next
// snapshot: the edge evicts, and what it holds reaches back beyond the newest
// snapshot by less than the interval between two.
func (c *cloud) shrinking(margin *api.Margin, journals []replica.Journal) bool {
	evicts := false
	for _, j := range journals {
		evicts = evicts || j.Held > 1
	}
	return evicts && margin.Snapshot != nil && margin.OldestEntry != nil &&
		margin.Snapshot.Sub(*margin.OldestEntry) < c.config.Backup.Interval
}
