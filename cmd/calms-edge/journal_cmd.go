package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
	"go.calms.com/calms/pkg/edge/archive"
	"go.calms.com/calms/pkg/edge/identity"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/program"
	"go.calms.com/calms/pkg/wire"
)

func newJournal() *cobra.Command {
	return program.Group(&cobra.Command{
		Use:   "journal",
		Short: "Look into the journal, and carry it where no network does",
		Example: `  calms-edge journal stat
  calms-edge journal verify
  calms-edge journal export /media/stick/comp-3.export`,
	}, newJournalStat(), newJournalVerify(), newJournalExport(), newJournalImport())
}

// journalFlags are what the commands below journal share.
type journalFlags struct {
	data   string
	file   string
	output program.Output
}

func (f *journalFlags) add(c *cobra.Command) {
	self().DataFlag(c, &f.data)
	c.Flags().StringVar(&f.file, "journal", "", "journal `file`, such as one that was set aside; default that of the data directory")
	_ = c.MarkFlagFilename("journal")
	f.output.Flag(c)
}

// inspect opens the journal file for reading, also beside a running edge, while
// do looks at it.
func (f *journalFlags) inspect(ctx context.Context, do func(*journal.Journal) error) error {
	data, err := self().DataDir(f.data)
	if err != nil {
		return err
	}
	i, err := identity.Open(identityDir(data))
	if err != nil {
		return err
	}
	path := f.file
	if path == "" {
		path = journalFile(data)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return calms.Errorf(calms.KindNotFound, "there is no journal %s", path).WithHint("calms-edge run makes it")
	}
	j, err := journal.Inspect(ctx, path, journal.Options{Device: i.Device()})
	if err != nil {
		return err
	}
	defer j.Close()
	return do(j)
}

func newJournalStat() *cobra.Command {
	var f journalFlags
	c := &cobra.Command{
		Use:   "stat",
		Short: "Show what the journal holds, and what it lost",
		Example: `  calms-edge journal stat
  calms-edge journal stat -o json`,
		Args: program.ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.inspect(c.Context(), func(j *journal.Journal) error {
				stat, err := j.Stat(c.Context())
				if err != nil {
					return err
				}
				if f.output.JSON() {
					return program.PrintJSON(c.OutOrStdout(), newJournalReport(stat))
				}
				return newJournalReport(stat).print(c.OutOrStdout())
			})
		},
	}
	f.add(c)
	return c
}

func newJournalExport() *cobra.Command {
	var f journalFlags
	var fromCursor bool
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "Write the sealed entries to a file, to be carried",
		Long: `Writes what the journal holds, as it is sealed: whoever finds the file can read
nothing of it. It works beside a running edge. The file is brought in again by
"calms-edge journal import", on this edge or on its replacement.

What is damaged is left out and named; the rest is written all the same. A device or a
named pipe is written to as it is, such as /dev/stdout.

Exit status: 0 all was written; 3 something was left out.`,
		Example: `  calms-edge journal export /media/stick/comp-3.export
  calms-edge journal export --from-cursor comp-3.export
  calms-edge journal export --journal journal.db.damaged-20260102T150405.000000000Z old.export`,
		Args: program.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.inspect(c.Context(), func(j *journal.Journal) error {
				return exportJournal(c, j, args[0], fromCursor, f.output.JSON())
			})
		},
	}
	f.add(c)
	c.Flags().BoolVar(&fromCursor, "from-cursor", false, "only what the cloud does not have, as far as the edge knows")
	return c
}

// exportJournal writes the file and tells what is in it.
func exportJournal(c *cobra.Command, j *journal.Journal, path string, fromCursor, asJSON bool) error {
	out, err := durable.Create(path, 0o600)
	if err != nil {
		return calms.Wrap("export journal", err)
	}
	defer out.Abort()
	counts, err := writeExport(c.Context(), out, j, fromCursor)
	if err == nil {
		err = out.Commit()
	}
	if err != nil {
		return calms.Wrap("export journal", err)
	}
	told := c.OutOrStdout()
	if out.Standard() {
		told = c.ErrOrStderr()
	}
	if err := printCounts(told, asJSON, "exported", counts); err != nil || len(counts.LeftOut) == 0 {
		return err
	}
	return program.Quiet(calms.KindPartial)
}

// writeExport writes all of the journal, or what the cloud does not have.
func writeExport(ctx context.Context, w io.Writer, j *journal.Journal, fromCursor bool) (archive.Counts, error) {
	if !fromCursor {
		return archive.Write(ctx, w, j, nil)
	}
	stat, err := j.Stat(ctx)
	if err != nil {
		return archive.Counts{}, err
	}
	cursors := map[wire.JournalID]uint64{}
	for _, s := range stat.Journals {
		cursors[s.ID] = s.Cursor
	}
	return archive.Write(ctx, w, j, func(id wire.JournalID) uint64 { return cursors[id] })
}

func newJournalImport() *cobra.Command {
	var data string
	var output program.Output
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Bring an export in, to be sent to the cloud",
		Long: `Checks an export of this device and puts it beside the journal. The running edge
sends it to the cloud, which takes what it does not have and drops the rest; then the
copy goes. Where no edge runs it is sent when one does. See calms-edge status.`,
		Example: `  calms-edge journal import /media/stick/comp-3.export`,
		Args:    program.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := self().DataDir(data)
			if err != nil {
				return err
			}
			counts, err := importExport(dir, args[0])
			if err != nil {
				return err
			}
			if err := printCounts(c.OutOrStdout(), output.JSON(), "brought in", counts); err != nil {
				return err
			}
			return tellImport(c.Context(), dir, c.ErrOrStderr())
		},
	}
	self().DataFlag(c, &data)
	output.Flag(c)
	return c
}

// importExport checks an export and copies it into the directory of imports.
func importExport(data, file string) (archive.Counts, error) {
	i, err := identity.Open(identityDir(data))
	if err != nil {
		return archive.Counts{}, err
	}
	a, err := openExport(file, i.Device())
	if err != nil {
		return archive.Counts{}, err
	}
	defer a.Close()
	name, err := contentName(file)
	if err != nil {
		return archive.Counts{}, calms.Wrap("import", err)
	}
	return a.Counts(), calms.Wrap("import", placeExport(importDir(data), file, name))
}

// contentName names a file by what is in it.
func contentName(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

func tellImport(ctx context.Context, data string, stderr io.Writer) error {
	err := askControl(ctx, data, http.MethodPost, "/v1/imports", nil)
	if calms.KindOf(err) == calms.KindUnreachable {
		fmt.Fprintln(stderr, "no edge runs now: it is sent when one does (calms-edge run)")
		return nil
	}
	if err == nil {
		fmt.Fprintln(stderr, "the running edge sends it: calms-edge status")
	}
	return err
}

func printCounts(w io.Writer, asJSON bool, what string, counts archive.Counts) error {
	if asJSON {
		return program.PrintJSON(w, counts)
	}
	_, err := fmt.Fprintf(w, "%s %d entries of %d journals (%s)", what, counts.Entries, counts.Journals, size(counts.Bytes))
	if counts.Lost > 0 {
		fmt.Fprintf(w, "; %d more were lost before", counts.Lost)
	}
	fmt.Fprintln(w)
	if len(counts.LeftOut) > 0 {
		fmt.Fprintf(w, "LEFT OUT: %d entries that nobody could open\n", counts.Missed())
	}
	for _, l := range counts.LeftOut {
		fmt.Fprintf(w, "  %s: entries %d to %d: %s\n", l.Journal, l.First, l.Last, l.Reason)
	}
	return err
}
