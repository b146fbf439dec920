package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// errEnough ends a tail that has shown what was asked for.
var errEnough = errors.New("enough")

func newDataTail(a *app) *cobra.Command {
	cmd := spec{
		use:   "tail [PATH]",
		short: "Show samples as the cloud stores them",
		long: `Shows every sample that the cloud stores at or below a path from now on, until it is
interrupted, or for as long as --for and --count say. With -o json and -o jsonl it
prints one sample a line.`,
		example:  "calmsctl data tail acme/ljubljana\ncalmsctl data tail acme/ljubljana/comp-3/flow --count 10\ncalmsctl data tail --for 30s -o jsonl",
		args:     paths(0, 1),
		complete: first(a.completePaths(calms.LevelOrganisation, calms.LevelSite, calms.LevelDevice, calms.LevelChannel)),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, args []string) error {
			limit, _ := cmd.Flags().GetInt("count")
			length, _ := cmd.Flags().GetDuration("for")
			path := ""
			if len(args) > 0 {
				path = args[0]
			}
			if err := mustExist(ctx, client, calms.Path(path)); err != nil {
				return err
			}
			return a.tail(ctx, client, path, limit, length)
		}),
	}.command()
	cmd.Flags().Int("count", 0, "end after `n` samples")
	cmd.Flags().Duration("for", 0, "end after a `time`")
	return cmd
}

func (a *app) tail(ctx context.Context, client *api.Client, path string, limit int, length time.Duration) error {
	bounded := ctx
	if length > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, length)
		defer cancel()
	}
	show, shown := a.samplePrinter(), 0
	err := client.Tail(bounded, path, func(s api.Sample) error {
		if err := show(s); err != nil {
			return err
		}
		if shown++; shown == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) || length > 0 && bounded.Err() != nil && ctx.Err() == nil {
		return nil
	}
	if err == nil {
		return calms.Errorf(calms.KindUnavailable, "the cloud ended the stream").WithHint("try again")
	}
	return err
}

// samplePrinter prints samples one by one, in columns that grow with the paths.
func (a *app) samplePrinter() func(api.Sample) error {
	encoder := json.NewEncoder(a.stdout)
	width := 0
	return func(s api.Sample) error {
		switch a.format() {
		case formatJSON, formatLines:
			return encoder.Encode(s)
		case formatYAML:
			fmt.Fprintln(a.stdout, "---")
			return a.printDocument(formatYAML, s)
		case formatName:
			_, err := fmt.Fprintln(a.stdout, s.Channel)
			return err
		}
		width = max(width, len(s.Channel))
		_, err := fmt.Fprintf(a.stdout, "%s  %-*s  %12s  %s\n", a.paint(toneDim, sampleTime(s)), width, s.Channel,
			a.cell(valueText(s), toneNone), a.paint(toneOfQuality(s), s.Quality))
		return err
	}
}
