package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/cmd/calmsctl/chart"
	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newDataPlot(a *app) *cobra.Command {
	cmd := spec{
		use:   "plot CHANNEL...",
		short: "Draw channels in the terminal",
		long: `Draws channels over a range of time: the mean of each moment as a line, and around it the
band between the least and the greatest value. Missing and bad samples leave a gap.
Channels of one unit share a chart where there are colours. -o json prints the numbers.`,
		example:  "calmsctl data plot acme/ljubljana/comp-3/flow\ncalmsctl data plot acme/ljubljana/comp-3/flow acme/ljubljana/comp-3/power --from -24h\ncalmsctl data plot acme/ljubljana/comp-3/flow --from yesterday --to today --ascii",
		args:     paths(1, 16, calms.LevelChannel),
		complete: a.completePaths(calms.LevelChannel),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, args []string) error {
			o, err := a.chartOptions(cmd, len(args))
			if err != nil {
				return err
			}
			return a.plot(ctx, client, args, o)
		}),
	}.command()
	addRange(cmd, "-1h", "now")
	cmd.Flags().Int("width", 0, "width in `cells` (default that of the terminal)")
	cmd.Flags().Int("height", 0, "height of each chart in `rows`")
	cmd.Flags().Bool("ascii", false, "draw with ASCII characters only")
	return cmd
}

// No terminal is larger, and the cloud gives a limited number of buckets.
const (
	maxChartWidth  = 1000 // cells
	maxChartHeight = 200  // rows
)

// chartOptions fit the chart into the terminal.
func (a *app) chartOptions(cmd *cobra.Command, channels int) (chart.Options, error) {
	from, to, err := timeRange(cmd, a.now())
	if err != nil {
		return chart.Options{}, err
	}
	if from.IsZero() || to.IsZero() {
		return chart.Options{}, usage(cmd, "a chart needs --from and --to")
	}
	o := chart.Options{From: from.Local(), To: to.Local(), Color: a.colors()}
	o.Width, _ = cmd.Flags().GetInt("width")
	o.Height, _ = cmd.Flags().GetInt("height")
	o.ASCII, _ = cmd.Flags().GetBool("ascii")
	o.ASCII = o.ASCII || a.terminal.plain
	width, height := a.terminal.size()
	o.Width, o.Height = min(o.Width, maxChartWidth), min(o.Height, maxChartHeight)
	if o.Width <= 0 {
		o.Width = min(width, 160)
	}
	if o.Height <= 0 {
		o.Height = max(5, min(14, (height-5)/channels-2))
	}
	return o, nil
}

func (a *app) plot(ctx context.Context, client *api.Client, channels []string, o chart.Options) error {
	var digests []api.Digest
	var series []chart.Series
	for _, channel := range channels {
		digest, err := client.Digest(ctx, channel, o.From, o.To, o.Buckets())
		if err != nil {
			return err
		}
		last, err := newestValue(ctx, client, channel, o.From, o.To)
		if err != nil {
			return err
		}
		digests = append(digests, digest)
		series = append(series, chart.Series{Name: channel, Unit: digest.Channel.Unit, Buckets: bucketsOf(digest), Last: last})
	}
	switch a.format() {
	case formatTable, formatWide:
		_, err := fmt.Fprint(a.stdout, chart.Render(series, o))
		return err
	}
	return printList(a, view[api.Digest]{name: func(d api.Digest) string { return d.Channel.Path }}, digests)
}

func newestValue(ctx context.Context, client *api.Client, channel string, from, to time.Time) (*float64, error) {
	newest, err := client.Query(ctx, api.Query{Path: channel, From: from, To: to, Limit: 1})
	if err != nil || len(newest.Samples) == 0 {
		return nil, err
	}
	return newest.Samples[len(newest.Samples)-1].Value, nil
}

func bucketsOf(d api.Digest) []chart.Bucket {
	buckets := make([]chart.Bucket, len(d.Buckets))
	for i, b := range d.Buckets {
		buckets[i] = chart.Bucket{Count: b.Count, Bad: b.Bad}
		if b.Min == nil || b.Max == nil || b.Mean == nil {
			buckets[i].Count = 0
			continue
		}
		buckets[i].Min, buckets[i].Max, buckets[i].Mean = *b.Min, *b.Max, *b.Mean
	}
	return buckets
}
