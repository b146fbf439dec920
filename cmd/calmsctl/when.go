package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
)

// addRange gives a command the flags of a range of time.
func addRange(cmd *cobra.Command, from, to string) {
	cmd.Flags().String("from", from, "begin of the range: RFC 3339, a local date or time, -2h, today, now")
	cmd.Flags().String("to", to, "end of the range, not included")
	for _, name := range []string{"from", "to"} {
		_ = cmd.RegisterFlagCompletionFunc(name, fixed("-15m", "-1h", "-24h", "-7d", "today", "yesterday", "now"))
	}
}

// timeRange reads the flags; an empty one is the zero time, an open end.
func timeRange(cmd *cobra.Command, now time.Time) (from, to time.Time, err error) {
	fromText, _ := cmd.Flags().GetString("from")
	toText, _ := cmd.Flags().GetString("to")
	if from, err = parseWhen(fromText, now); err != nil {
		return from, to, usage(cmd, "--from: %w", err)
	}
	if to, err = parseWhen(toText, now); err != nil {
		return from, to, usage(cmd, "--to: %w", err)
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, usage(cmd, "--from %s is not before --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to, nil
}

// localLayouts are times without a zone, taken as local.
func localLayouts() []string {
	return []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"}
}

// parseWhen reads a point in time; relative ones count from now.
func parseWhen(text string, now time.Time) (time.Time, error) {
	year, month, day := now.Local().Date()
	switch text {
	case "":
		return time.Time{}, nil
	case "now":
		return now, nil
	case "today":
		return time.Date(year, month, day, 0, 0, 0, 0, time.Local), nil
	case "yesterday":
		return time.Date(year, month, day-1, 0, 0, 0, 0, time.Local), nil
	}
	if text[0] == '-' || text[0] == '+' {
		return parseRelative(text, now)
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, layout := range localLayouts() {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, calms.Errorf(calms.KindUsage, "%q is not a time: use 2026-08-01, \"2026-08-01 14:30\", 2026-08-01T12:30:00Z, -2h, -7d, today, yesterday or now", text)
}

// parseRelative reads -90m, -1h30m, -7d, -2w. Days are calendar days, so that
// -1d is the same time of day also when the clocks change.
func parseRelative(text string, now time.Time) (time.Time, error) {
	for unit, days := range map[string]int{"d": 1, "w": 7} {
		number, found := strings.CutSuffix(text, unit)
		if n, err := strconv.Atoi(number); found && err == nil {
			return now.AddDate(0, 0, n*days), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return time.Time{}, calms.Errorf(calms.KindUsage, "%q is not a relative time: use -30s, -15m, -2h, -7d or -2w", text)
	}
	return now.Add(d), nil
}
