package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newData(a *app) *cobra.Command {
	return group("data", "Read measured data",
		"calmsctl data query acme/ljubljana/comp-3/flow --from -10m\ncalmsctl data plot acme/ljubljana/comp-3/flow --from -6h\ncalmsctl data export acme --file acme.csv",
		newDataQuery(a), newDataTail(a), newDataPlot(a), newDataExport(a))
}

func newDataQuery(a *app) *cobra.Command {
	cmd := spec{
		use:      "query CHANNEL",
		short:    "Show the newest samples of a channel in a range",
		example:  "calmsctl data query acme/ljubljana/comp-3/flow\ncalmsctl data query acme/ljubljana/comp-3/flow --from \"2026-08-01 14:00\" --to \"2026-08-01 15:00\"\ncalmsctl data query acme/ljubljana/comp-3/flow --from -1h --limit 0 -o jsonl",
		args:     paths(1, 1, calms.LevelChannel),
		complete: first(a.completePaths(calms.LevelChannel)),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, args []string) error {
			from, to, err := timeRange(cmd, a.now())
			if err != nil {
				return err
			}
			limit, _ := cmd.Flags().GetInt("limit")
			series, err := client.Query(ctx, api.Query{Path: args[0], From: from, To: to, Limit: limit})
			if err != nil {
				return err
			}
			return a.printSeries(series)
		}),
	}.command()
	addRange(cmd, "", "")
	cmd.Flags().Int("limit", 20, "the newest `n` samples at most; 0 is as many as the cloud gives")
	return cmd
}

func (a *app) printSeries(s api.Series) error {
	switch f := a.format(); f {
	case formatJSON, formatYAML:
		return a.printDocument(f, s)
	case formatLines:
		return printLines(a.stdout, s.Samples)
	case formatName:
		fmt.Fprintln(a.stdout, s.Channel.Path)
		return nil
	}
	if len(s.Samples) == 0 {
		a.note("no samples in this range")
	} else if err := a.printTable(rowsOf(a, sampleView(s.Channel.Unit), s.Samples)); err != nil {
		return err
	}
	if s.Truncated {
		a.note("older samples of the range were left out: --limit, or calmsctl data export")
	}
	if s.Losers > 0 {
		a.note("%d samples lost against another one of the same time", s.Losers)
	}
	if s.Unplaced > 0 {
		a.note("%d samples of the channel have no time yet", s.Unplaced)
	}
	return nil
}

func sampleView(unit string) view[api.Sample] {
	value := "VALUE"
	if unit != "" {
		value += " " + unit
	}
	return view[api.Sample]{columns: []column[api.Sample]{
		{title: "TIME " + time.Now().Format("MST"), cell: func(s api.Sample) string { return sampleTime(s) }},
		{title: value, right: true, cell: valueText},
		{title: "QUALITY", cell: func(s api.Sample) string { return s.Quality }, tone: toneOfQuality},
	}}
}

func sampleTime(s api.Sample) string { return s.Time.Local().Format("2006-01-02 15:04:05.000") }

func valueText(s api.Sample) string {
	if s.Value == nil {
		return ""
	}
	return strconv.FormatFloat(*s.Value, 'g', -1, 64)
}

func toneOfQuality(s api.Sample) tone {
	switch {
	case s.Quality == calms.Good.String():
		return toneNone
	case s.Value == nil:
		return toneBad
	}
	return toneWarn
}
