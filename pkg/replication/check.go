package replication

import (
	"fmt"
	"slices"
)

// Checker holds the invariants that must hold after every op (safety). It is
// shown each op with the observation after it. The zero Checker is ready for
// a world's first observation; copying it forks the history.
type Checker struct {
	last    Observation
	started bool
	revoked []revoked
	lossy   []string   // devices whose disk lost something
	past    [][]Stored // what the cloud had when it was replaced by a snapshot
}

// revoked is a device and what the cloud ever had of it by then. A restore may
// bring any of that back, nothing else.
type revoked struct {
	device string
	had    map[Stored]bool
}

// CheckInvariants is a [Checker] over a whole history: the observation after
// each op, led by the one before the first.
func CheckInvariants(schedule Schedule, history []Observation) error {
	var c Checker
	for i, o := range history {
		op := Op{Kind: Tick}
		if i > 0 {
			op = schedule[i-1]
		}
		if err := c.Check(op, o); err != nil {
			return fmt.Errorf("after op %d, %s: %w", i, op, err)
		}
	}
	return nil
}

// Check tells which invariant o, after op, breaks; nil when none.
func (c *Checker) Check(op Op, o Observation) error {
	v := view(o)
	if c.started {
		c.note(op, o)
	}
	for _, check := range []func(Op, *viewed) error{c.edges, c.stored, c.replicas, c.acknowledged, c.movement, c.held, c.refused, c.declared} {
		if err := check(op, v); err != nil {
			return err
		}
	}
	c.last, c.started = o, true
	return nil
}

// note keeps what later checks need of the past.
func (c *Checker) note(op Op, o Observation) {
	device := c.last.Edges[op.Edge%len(c.last.Edges)].Device
	switch op.Kind {
	case LoseTail, Damage, Wipe:
		c.lossy = append(slices.Clip(c.lossy), device)
	case Restore:
		c.past = append(slices.Clip(c.past), c.last.Stored)
	case Revoke:
		if _, ok := c.last.revokes(op); ok && !slices.ContainsFunc(c.revoked, func(r revoked) bool { return r.device == device }) {
			c.revoked = append(slices.Clip(c.revoked), revoked{device, c.ever(o)})
		}
	}
}

// ever is all that the cloud ever stored, restores or not.
func (c *Checker) ever(o Observation) map[Stored]bool {
	had := map[Stored]bool{}
	for _, stored := range append(slices.Clip(c.past), o.Stored) {
		for _, s := range stored {
			had[s] = true
		}
	}
	return had
}

// edges: numbers of a journal run without holes, chained, and no edge uses one
// twice.
func (c *Checker) edges(_ Op, v *viewed) error {
	for i, e := range v.Edges {
		last := map[string]int{}
		for _, n := range e.Counted {
			if before, ok := last[n.Journal]; ok && n.Number != before+1 {
				return fmt.Errorf("edge %d: journal %s: number %d follows %d", i, n.Journal, n.Number, before)
			}
			last[n.Journal] = n.Number
			if !v.chained(n) {
				return fmt.Errorf("edge %d: journal %s: the previous-hash of entry %d is no entry's", i, n.Journal, n.Number)
			}
		}
	}
	return nil
}

// stored: the cloud has only what the instrument served and the edge counted,
// under the right device, once, and whole entries.
func (c *Checker) stored(_ Op, v *viewed) error {
	for s, times := range v.stored {
		if times > 1 {
			return fmt.Errorf("sample %d of %s is stored %d times", s.Sample, s.Device, times)
		}
		if !v.served[s] {
			return fmt.Errorf("sample %d is stored for %s, whose instrument never served it", s.Sample, s.Device)
		}
		if !v.counted[s] {
			return fmt.Errorf("sample %d of %s is stored, but no edge counted it", s.Sample, s.Device)
		}
	}
	for _, n := range v.entries {
		if has := v.has(n); has != 0 && has != len(n.Samples) {
			return fmt.Errorf("journal %s: %d of %d samples of entry %d are stored", n.Journal, has, len(n.Samples), n.Number)
		}
	}
	return nil
}

// replicas: up to the cursor every number is stored or covered by a gap, never
// both; beyond it nothing is.
func (c *Checker) replicas(_ Op, v *viewed) error {
	for _, r := range v.Replicas {
		if r.Cursor > v.head[r.Journal] {
			return fmt.Errorf("journal %s: the cursor is %d, the highest counted entry %d", r.Journal, r.Cursor, v.head[r.Journal])
		}
		for _, g := range r.Gaps {
			if g.First < 1 || g.Last < g.First || g.Last > r.Cursor {
				return fmt.Errorf("journal %s: gap %d-%d, cursor %d", r.Journal, g.First, g.Last, r.Cursor)
			}
		}
		for n := 1; n <= r.Cursor; n++ {
			if covers := v.covers(r, n); covers != 1 {
				return fmt.Errorf("journal %s: number %d, below the cursor %d, is stored or covered %d times", r.Journal, n, r.Cursor, covers)
			}
		}
	}
	for _, n := range v.entries {
		if n.Number > v.replica[n.Journal].Cursor && v.has(n) > 0 {
			return fmt.Errorf("journal %s: entry %d is stored beyond the cursor %d", n.Journal, n.Number, v.replica[n.Journal].Cursor)
		}
	}
	return nil
}

// acknowledged: within one epoch no edge believes more than the cloud has.
func (c *Checker) acknowledged(_ Op, v *viewed) error {
	for i, e := range v.Edges {
		for _, p := range e.Acked {
			if cursor := v.replica[p.Journal].Cursor; e.Epoch == v.Epoch && p.Number > cursor {
				return fmt.Errorf("edge %d: journal %s: takes %d for acknowledged, the cursor is %d", i, p.Journal, p.Number, cursor)
			}
		}
	}
	return nil
}

// movement: only a restore moves a cursor back, and it draws a new epoch.
func (c *Checker) movement(op Op, v *viewed) error {
	if !c.started || v.Epoch != c.last.Epoch {
		return nil
	}
	for _, before := range c.last.Replicas {
		after := v.replica[before.Journal]
		if after.Cursor < before.Cursor || len(after.Gaps) < len(before.Gaps) {
			return fmt.Errorf("journal %s: the cursor went back from %d to %d within an epoch", before.Journal, before.Cursor, after.Cursor)
		}
	}
	return nil
}

// held: what is counted is durable, and leaves an edge only where the size
// limit or the disk takes it, acknowledged or not; and no gap covers an entry
// that an edge holds.
func (c *Checker) held(op Op, v *viewed) error {
	for i, before := range c.last.Edges {
		took := op.Kind == Evict || op.Kind == LoseTail || op.Kind == Damage || op.Kind == Wipe
		if took && op.Edge%len(c.last.Edges) == i {
			continue
		}
		for p := range positions(before.Held) {
			if !v.held[i][p] {
				return fmt.Errorf("edge %d: journal %s: entry %d is no longer held", i, p.Journal, p.Number)
			}
		}
		for _, n := range v.Edges[i].Counted[len(before.Counted):] {
			if !v.held[i][Position{n.Journal, n.Number}] {
				return fmt.Errorf("edge %d: journal %s: entry %d is counted and not held", i, n.Journal, n.Number)
			}
		}
	}
	return gapsCoverNothingHeld(v)
}

func gapsCoverNothingHeld(v *viewed) error {
	for _, r := range v.Replicas {
		for _, g := range r.Gaps {
			for i, e := range v.Edges {
				if e.Device != r.Device || v.clones[r.Device] > 1 {
					continue // a clone cannot know what the other one still holds
				}
				for n := g.First; n <= g.Last; n++ {
					if v.held[i][Position{r.Journal, n}] {
						return fmt.Errorf("journal %s: gap %d-%d covers entry %d, which edge %d holds", r.Journal, g.First, g.Last, n, i)
					}
				}
			}
		}
	}
	return nil
}

// refused: of a revoked device the cloud stores nothing new.
func (c *Checker) refused(_ Op, v *viewed) error {
	for _, r := range c.revoked {
		for s := range v.stored {
			if s.Device == r.device && !r.had[s] {
				return fmt.Errorf("sample %d of %s is stored after the device was revoked", s.Sample, s.Device)
			}
		}
	}
	return nil
}

// declared: no false alarm. Forks need a clone, losses a damaged disk.
func (c *Checker) declared(_ Op, v *viewed) error {
	for _, b := range v.Branches {
		if v.clones[b.Device] < 2 {
			return fmt.Errorf("journal %s is said to be forked at %d, but %s was never cloned", b.Journal, b.Number, b.Device)
		}
	}
	for _, l := range v.Losses {
		if !slices.Contains(c.lossy, l.Device) {
			return fmt.Errorf("journal %s is said to have lost its tail after %d, but no disk of %s did", l.Journal, l.After, l.Device)
		}
	}
	return nil
}
