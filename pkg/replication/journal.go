package replication

import (
	"fmt"
	"hash/fnv"
	"slices"
)

// entry is a sealed entry: what anyone sees of it, and the session object that
// opens it.
type entry struct {
	Entry
	object int
}

// journal is one journal on a disk. The gap ledger needs no field of its own:
// it is every number up to head that entries lacks.
type journal struct {
	name       string
	generation int
	entries    []entry // still held, ascending
	head       int     // the last number ever used
	tip        string  // the hash of entry head, which outlives it
	acked      int
}

func (j *journal) next(object int, samples []SampleID) entry {
	e := Entry{Journal: j.name, Number: j.head + 1, Prev: j.tip, Samples: samples}
	sum := fnv.New64a()
	fmt.Fprint(sum, e, object)
	e.Hash = fmt.Sprintf("%016x", sum.Sum64())
	return entry{e, object}
}

func (j *journal) append(e entry) {
	j.entries = append(j.entries, e)
	j.head, j.tip = e.Number, e.Hash
}

// index finds number n, or the first held number after it.
func (j *journal) index(n int) (int, bool) {
	return slices.BinarySearchFunc(j.entries, n, func(e entry, n int) int { return e.Number - n })
}

// hash is the hash of entry n, where the journal can still tell it.
func (j *journal) hash(n int) (string, bool) {
	if n == 0 || n == j.head {
		return map[bool]string{true: j.tip}[n == j.head], true
	}
	i, held := j.index(n)
	if held {
		return j.entries[i].Hash, true
	}
	if i < len(j.entries) && j.entries[i].Number == n+1 {
		return j.entries[i].Prev, true
	}
	return "", false
}

// gone is the last number of the gap that begins at n; less than n when entry
// n is held.
func (j *journal) gone(n int) int {
	if i, _ := j.index(n); i < len(j.entries) {
		return j.entries[i].Number - 1
	}
	return j.head
}

// run is the consecutive held entries from n on, at most limit.
func (j *journal) run(n, limit int) []entry {
	first, _ := j.index(n)
	last := first
	for last < len(j.entries) && last-first < limit && j.entries[last].Number == n+last-first {
		last++
	}
	return j.entries[first:last:last]
}

// remove takes count held entries from the ith on and tells whether the
// journal lost its tail by that. Its number then falls back: nobody knows how
// long the tail was.
func (j *journal) remove(i, count int) (tail bool) {
	tail = i+count >= len(j.entries) && i < len(j.entries) && j.entries[len(j.entries)-1].Number == j.head
	if tail {
		j.head, j.tip = j.entries[i].Number-1, j.entries[i].Prev
	}
	j.entries = slices.Concat(j.entries[:i], j.entries[min(i+count, len(j.entries)):])
	return tail
}

// evict is remove for the oldest entries, by the edge itself: it remembers the
// head.
func (j *journal) evict(count int) {
	j.entries = slices.Clone(j.entries[count:])
}

// ends are the last entries of the consecutive runs that are held.
func (j *journal) ends() (ends []tip) {
	for i, e := range j.entries {
		if i+1 == len(j.entries) || j.entries[i+1].Number > e.Number+1 {
			ends = append(ends, tip{Position: Position{j.name, e.Number}, hash: e.Hash})
		}
	}
	return ends
}

func (j *journal) holding() Holding {
	h := Holding{Journal: j.name}
	for _, e := range j.entries {
		if last := len(h.Ranges) - 1; last >= 0 && h.Ranges[last].Last == e.Number-1 {
			h.Ranges[last].Last = e.Number
		} else {
			h.Ranges = append(h.Ranges, Range{e.Number, e.Number})
		}
	}
	return h
}
