package replication

import (
	"fmt"
	"slices"
)

// Settled tells what is still missing in a world that was left alone with its
// links up (liveness): every edge of a device that is not in refused has heard
// of the cloud's epoch, and every entry that it ever counted is in the cloud,
// or is told to be lost or forked there.
func Settled(o Observation, refused []string) error {
	v := view(o)
	for i, e := range o.Edges {
		if slices.Contains(refused, e.Device) {
			continue
		}
		if len(e.Held) > 0 && e.Epoch != o.Epoch {
			return fmt.Errorf("edge %d: is in epoch %q, the cloud in %q", i, e.Epoch, o.Epoch)
		}
		for _, n := range e.Counted {
			if err := v.accounted(i, owned{n, e.Device}); err != nil {
				return err
			}
		}
	}
	return nil
}

// accounted is exactly-once, seen from a counted entry; [Checker] has seen to
// "at most once".
func (v *viewed) accounted(i int, n owned) error {
	at := Position{n.Journal, n.Number}
	switch {
	case v.has(n) > 0, v.gapped(at), v.named(n):
		return nil
	case len(n.Samples) == 0 && n.Number <= v.replica[n.Journal].Cursor: // cannot be seen
		return nil
	case v.held[i][at]:
		return fmt.Errorf("edge %d: journal %s: entry %d is held, and neither stored nor named as forked", i, n.Journal, n.Number)
	case v.clones[n.device] > 1: // a ledger without hashes cannot tell a fork inside an evicted range
		return nil
	case v.lost(i, n):
		return nil
	}
	return fmt.Errorf("edge %d: journal %s: entry %d is gone, and no gap or loss says so", i, n.Journal, n.Number)
}

func (v *viewed) lost(i int, n owned) bool {
	keepsJournal := slices.ContainsFunc(v.Edges[i].Held, func(h Holding) bool { return h.Journal == n.Journal })
	return slices.ContainsFunc(v.Losses, func(l Loss) bool {
		tail := l.Journal == n.Journal && n.Number > l.After
		return l.Device == n.device && (tail || l.Journal == "" && !keepsJournal)
	})
}
