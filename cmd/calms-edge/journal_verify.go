package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/program"
	"go.calms.com/calms/pkg/wire"
)

func newJournalVerify() *cobra.Command {
	var f journalFlags
	c := &cobra.Command{
		Use:   "verify",
		Short: "Walk every entry: numbers, hashes, ledger and objects",
		Long:  "Exit status: 0 all is whole; 1 something is damaged or missing, and named.",
		Example: `  calms-edge journal verify
  calms-edge journal verify -o json`,
		Args: program.ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.inspect(c.Context(), func(j *journal.Journal) error {
				v := &verification{Wrong: []string{}, journal: j, objects: map[wire.Hash]bool{}}
				if err := v.walk(c.Context()); err != nil {
					return err
				}
				return v.print(c, f.output.JSON())
			})
		},
	}
	f.add(c)
	return c
}

// verification is one walk over a journal file.
type verification struct {
	Entries uint64   `json:"entries"`
	Objects int      `json:"objects"`
	Evicted uint64   `json:"evicted"` // entries that the size limit took
	Wrong   []string `json:"wrong"`

	journal *journal.Journal
	objects map[wire.Hash]bool // seen already
}

func (v *verification) wrong(format string, args ...any) {
	v.Wrong = append(v.Wrong, fmt.Sprintf(format, args...))
}

func (v *verification) print(c *cobra.Command, asJSON bool) error {
	if asJSON {
		if err := program.PrintJSON(c.OutOrStdout(), v); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(c.OutOrStdout(), "%d entries and %d objects read, %d entries evicted\n", v.Entries, v.Objects, v.Evicted)
		for _, w := range v.Wrong {
			fmt.Fprintln(c.OutOrStdout(), "WRONG:", w)
		}
	}
	if len(v.Wrong) > 0 {
		return calms.Errorf(calms.KindInternal, "%d things are wrong with the journal", len(v.Wrong)).
			WithHint("what is damaged is told the cloud as a gap; look at the disk (dmesg, smartctl)")
	}
	return nil
}

func (v *verification) walk(ctx context.Context) error {
	held, err := v.journal.Held(ctx)
	if err != nil {
		return err
	}
	for _, h := range held {
		if err := v.walkJournal(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// readAhead is how many bytes of entries are read at once.
const readAhead = 1 << 20

// walkJournal follows one journal from entry 1 to its head.
func (v *verification) walkJournal(ctx context.Context, h wire.Held) error {
	chain := chain{v: v, id: h.Journal, known: true}
	for next := uint64(1); next <= h.Last; {
		entries, loss, err := v.journal.Read(ctx, h.Journal, next, readAhead)
		switch {
		case err != nil:
			return err
		case loss != nil:
			chain.lose(*loss)
			next = loss.Last + 1
		case len(entries) == 0:
			v.wrong("%s: entry %d is neither there nor in the ledger", h.Journal.Name(), next)
			chain.known = false
			next++
		}
		for _, e := range entries {
			chain.follow(ctx, e)
			next = e.Number + 1
		}
	}
	if chain.known && chain.hash != h.Hash {
		v.wrong("%s: its last entry %d is not the one that was written", h.Journal.Name(), h.Last)
	}
	return nil
}

// chain is what the entries so far say of the next one.
type chain struct {
	v     *verification
	id    wire.JournalID
	known bool // whether hash is
	hash  wire.Hash
	total uint64
}

func (c *chain) lose(l wire.Loss) {
	if l.Reason == "evicted" {
		c.v.Evicted += l.Last - l.First + 1
	} else {
		c.v.wrong("%s: entries %d to %d are %s", c.id.Name(), l.First, l.Last, l.Reason)
	}
	c.known, c.hash, c.total = true, l.Hash, l.Total
}

func (c *chain) follow(ctx context.Context, e wire.Entry) {
	c.v.Entries++
	if c.known && e.Prev != c.hash {
		c.v.wrong("%s: entry %d does not follow the one before it", c.id.Name(), e.Number)
	}
	if e.Total < c.total {
		c.v.wrong("%s: entry %d counts %d samples, the one before it %d", c.id.Name(), e.Number, e.Total, c.total)
	}
	for _, name := range append([]wire.Hash{e.Session}, e.Objects...) {
		c.need(ctx, e.Number, name)
	}
	c.known, c.hash, c.total = true, e.Hash(c.id), e.Total
}

// need checks that an object is there and whole, each once.
func (c *chain) need(ctx context.Context, number uint64, name wire.Hash) {
	if c.v.objects[name] {
		return
	}
	c.v.objects[name] = true
	c.v.Objects++
	if _, err := c.v.journal.Object(ctx, name); err != nil {
		c.v.wrong("%s: entry %d needs an object: %v", c.id.Name(), number, err)
	}
}
