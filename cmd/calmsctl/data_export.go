package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
)

func newDataExport(a *app) *cobra.Command {
	cmd := spec{
		use:   "export [PATH]",
		short: "Write all samples of a range to a file",
		long: `Writes every sample at or below a path, channel after channel and each in the order of
time, as CSV (channel,time,value,quality; RFC 4180) or JSON Lines. Times are RFC 3339 in
UTC; a sample without a value has an empty field, or null. A file appears under its name
when it is whole; a device or a pipe is written as the samples come.`,
		example:  "calmsctl data export acme/ljubljana --from 2026-08-01 --to 2026-09-01 --file august.csv\ncalmsctl data export acme/ljubljana/comp-3/flow --from -1h\ncalmsctl data export --format jsonl | gzip > all.jsonl.gz",
		args:     paths(0, 1),
		complete: first(a.completePaths(calms.LevelOrganisation, calms.LevelSite, calms.LevelDevice, calms.LevelChannel)),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, args []string) error {
			q := api.Query{}
			if len(args) > 0 {
				q.Path = args[0]
			}
			var err error
			if q.From, q.To, err = timeRange(cmd, a.now()); err != nil {
				return err
			}
			file, _ := cmd.Flags().GetString("file")
			format, err := exportFormat(cmd, file)
			if err != nil {
				return err
			}
			if err := mustExist(ctx, client, calms.Path(q.Path)); err != nil {
				return err
			}
			return a.export(ctx, client, q, file, format)
		}),
	}.command()
	addRange(cmd, "", "")
	cmd.Flags().String("file", "-", "write to a `file`; - is the standard output")
	cmd.Flags().String("format", "", "csv or jsonl (default by the file's name, else csv)")
	_ = cmd.RegisterFlagCompletionFunc("format", fixed("csv", "jsonl"))
	_ = cmd.MarkFlagFilename("file")
	return cmd
}

func exportFormat(cmd *cobra.Command, file string) (string, error) {
	format, _ := cmd.Flags().GetString("format")
	switch {
	case format == "csv" || format == "jsonl":
		return format, nil
	case format != "":
		return "", usage(cmd, "--format %q is not csv or jsonl", format)
	case strings.HasSuffix(file, ".jsonl"):
		return "jsonl", nil
	}
	return "csv", nil
}

func (a *app) export(ctx context.Context, client *api.Client, q api.Query, file, format string) error {
	if file == "-" {
		_, err := a.exportTo(ctx, client, q, a.stdout, format)
		return err
	}
	// A part of an export must not be taken for the whole: it gets its name last.
	out, err := durable.Create(file, 0o600)
	if err != nil {
		return calms.Errorf(calms.KindInvalid, "%w", err)
	}
	written, err := a.exportTo(ctx, client, q, out, format)
	if err != nil {
		return errors.Join(err, out.Abort())
	}
	if err := out.Commit(); err != nil {
		return err
	}
	a.note("%d samples written to %s", written, file)
	return nil
}

// exportTo writes the samples and returns how many there were.
func (a *app) exportTo(ctx context.Context, client *api.Client, q api.Query, w io.Writer, format string) (int, error) {
	buffered := bufio.NewWriterSize(w, 256<<10)
	write, finish := sampleWriter(buffered, format)
	bar := a.newProgress("export")
	defer bar.clear()
	written := 0
	err := client.Export(ctx, q, func(s api.Sample) error {
		if written++; written%1024 == 0 {
			bar.show(fmt.Sprintf("%d samples, %s at %s", written, s.Channel, localTime(s.Time)), -1)
		}
		return write(s)
	})
	return written, errors.Join(err, finish(), buffered.Flush())
}

// sampleWriter writes samples in a format; finish ends the text.
func sampleWriter(w io.Writer, format string) (write func(api.Sample) error, finish func() error) {
	if format == "jsonl" {
		encoder := json.NewEncoder(w)
		return func(s api.Sample) error { return encoder.Encode(s) }, func() error { return nil }
	}
	out := csv.NewWriter(w)
	_ = out.Write([]string{"channel", "time", "value", "quality"}) // the writer keeps its error
	write = func(s api.Sample) error {
		return out.Write([]string{s.Channel, s.Time.UTC().Format(time.RFC3339Nano), valueText(s), s.Quality})
	}
	return write, func() error { out.Flush(); return out.Error() }
}
