package main

import (
	"fmt"
	"io"
	"time"

	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/wire"
)

// journalReport is what `journal stat` prints.
type journalReport struct {
	Bytes    int64           `json:"bytes"`
	Journals []journalDetail `json:"journals"`
}

type journalDetail struct {
	Journal string     `json:"journal"`
	Reason  string     `json:"reason"` // why it was begun
	Head    uint64     `json:"head"`
	Total   uint64     `json:"total"` // samples ever written
	Entries uint64     `json:"entries"`
	Samples uint64     `json:"samples"` // held
	First   uint64     `json:"first"`
	Since   time.Time  `json:"since"`
	Until   time.Time  `json:"until"`
	Cursor  uint64     `json:"cursor"`
	Covered uint64     `json:"covered"`
	Lost    []lostSpan `json:"lost,omitempty"`
}

type lostSpan struct {
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"`
	Reason string `json:"reason"`
}

func newJournalReport(stat journal.Stat) journalReport {
	r := journalReport{Bytes: stat.Bytes, Journals: []journalDetail{}}
	for _, j := range stat.Journals {
		r.Journals = append(r.Journals, journalDetail{
			Journal: j.ID.Name(), Reason: j.Reason, Head: j.Head, Total: j.Total, Entries: j.Entries, Samples: j.Samples,
			First: j.First, Since: fromNanos(j.Since).UTC(), Until: fromNanos(j.Until).UTC(),
			Cursor: j.Cursor, Covered: j.Covered, Lost: spans(j.Lost),
		})
	}
	return r
}

func spans(lost []wire.Loss) (s []lostSpan) {
	for _, l := range lost {
		s = append(s, lostSpan{l.First, l.Last, l.Reason})
	}
	return s
}

func (r journalReport) print(w io.Writer) error {
	t := newTable(w)
	t.row("JOURNAL", "ENTRIES", "SAMPLES", "FIRST", "HEAD", "CURSOR", "COVERED", "OLDEST", "REASON")
	for _, j := range r.Journals {
		oldest := "-"
		if !j.Since.IsZero() {
			oldest = j.Since.Format("2006-01-02 15:04:05Z")
		}
		t.row(j.Journal, j.Entries, j.Samples, j.First, j.Head, j.Cursor, j.Covered, oldest, j.Reason)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, j := range r.Journals {
		for _, l := range j.Lost {
			fmt.Fprintf(w, "lost: %s, entries %d to %d: %s\n", j.Journal, l.First, l.Last, l.Reason)
		}
	}
	_, err := fmt.Fprintf(w, "%s\n", size(r.Bytes))
	return err
}
