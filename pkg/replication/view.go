package replication

import (
	"iter"
	"slices"
)

// viewed is an observation with the indexes that the checks need.
type viewed struct {
	Observation
	stored  map[Stored]int
	served  map[Stored]bool
	counted map[Stored]bool
	entries []owned
	at      map[Position][]owned // clones give one number several entries
	head    map[string]int       // per journal, the highest counted number
	replica map[string]Replica
	held    []map[Position]bool // per edge
	clones  map[string]int      // edges per device
}

// owned is a counted entry with its device.
type owned struct {
	Entry
	device string
}

func view(o Observation) *viewed {
	v := &viewed{
		Observation: o, stored: map[Stored]int{}, served: map[Stored]bool{}, counted: map[Stored]bool{},
		at: map[Position][]owned{}, head: map[string]int{}, replica: map[string]Replica{}, clones: map[string]int{},
	}
	for _, s := range o.Stored {
		v.stored[s]++
	}
	for _, r := range o.Replicas {
		v.replica[r.Journal] = r
	}
	for _, e := range o.Edges {
		v.addEdge(e)
	}
	return v
}

func (v *viewed) addEdge(e Edge) {
	v.clones[e.Device]++
	for _, s := range e.Served {
		v.served[Stored{e.Device, s}] = true
	}
	for _, n := range e.Counted {
		at := Position{n.Journal, n.Number}
		v.entries = append(v.entries, owned{n, e.Device})
		v.at[at] = append(v.at[at], owned{n, e.Device})
		v.head[n.Journal] = max(v.head[n.Journal], n.Number)
		for _, s := range n.Samples {
			v.counted[Stored{e.Device, s}] = true
		}
	}
	held := map[Position]bool{}
	for p := range positions(e.Held) {
		held[p] = true
	}
	v.held = append(v.held, held)
}

func positions(held []Holding) iter.Seq[Position] {
	return func(yield func(Position) bool) {
		for _, h := range held {
			for _, r := range h.Ranges {
				for n := r.First; n <= r.Last; n++ {
					if !yield(Position{h.Journal, n}) {
						return
					}
				}
			}
		}
	}
}

// has counts the samples of n that the cloud stores.
func (v *viewed) has(n owned) (stored int) {
	for _, s := range n.Samples {
		if v.stored[Stored{n.device, s}] > 0 {
			stored++
		}
	}
	return stored
}

// covers counts what stands in the replica for number n: entries and gaps. An
// entry without samples cannot be seen, and is taken to be there where nothing
// else is.
func (v *viewed) covers(r Replica, n int) (covers int) {
	blank := 0
	for _, e := range v.at[Position{r.Journal, n}] {
		if v.has(e) > 0 {
			covers++
		} else if len(e.Samples) == 0 {
			blank = 1
		}
	}
	for _, g := range r.Gaps {
		if g.Has(n) {
			covers++
		}
	}
	return max(covers, blank)
}

func (v *viewed) gapped(p Position) bool {
	return slices.ContainsFunc(v.replica[p.Journal].Gaps, func(g Range) bool { return g.Has(p.Number) })
}

// chained tells whether n follows an entry that an edge counted.
func (v *viewed) chained(n Entry) bool {
	if n.Number == 1 {
		return n.Prev == ""
	}
	return slices.ContainsFunc(v.at[Position{n.Journal, n.Number - 1}], func(e owned) bool { return e.Hash == n.Prev })
}

// named tells whether n belongs to a branch that the cloud names.
func (v *viewed) named(n owned) bool {
	return slices.ContainsFunc(v.Branches, func(b Branch) bool {
		return b.Device == n.device && b.Journal == n.Journal && v.leads(b, n)
	})
}

// leads follows the chain down from the branch's end to n.
func (v *viewed) leads(b Branch, n owned) bool {
	hash := b.Hash
	for number := b.Number; number >= n.Number; number-- {
		if number == n.Number {
			return hash == n.Hash
		}
		entries := v.at[Position{b.Journal, number}]
		i := slices.IndexFunc(entries, func(e owned) bool { return e.Hash == hash })
		if i < 0 {
			return false
		}
		hash = entries[i].Prev
	}
	return false
}
