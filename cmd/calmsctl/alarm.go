package main

import (
	"context"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newAlarm(a *app) *cobra.Command {
	return group("alarm", "Show what somebody should look at, and end what was looked at", "calmsctl alarm list\ncalmsctl alarm clear loss acme/ljubljana/comp-3", newAlarmList(a), newAlarmClear(a))
}

func newAlarmList(a *app) *cobra.Command {
	return spec{
		use:     "list",
		aliases: []string{"ls"},
		short:   "List active alarms",
		long:    "Lists the alarms that are active now. The exit status does not tell whether there are\nany; that of calmsctl status does.",
		example: "calmsctl alarm list\ncalmsctl alarm list -o jsonl",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindForbidden, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, _ []string) error {
			items, err := client.ListAlarms(ctx)
			if err != nil {
				return err
			}
			return printList(a, alarmView(a), items)
		}),
	}.command()
}

func alarmView(a *app) view[api.Alarm] {
	return view[api.Alarm]{
		name: func(al api.Alarm) string { return al.Kind + " " + al.Subject },
		none: "no alarms",
		columns: []column[api.Alarm]{
			{title: "SEVERITY", cell: func(al api.Alarm) string { return al.Severity }, tone: toneOfAlarm},
			{title: "KIND", cell: func(al api.Alarm) string { return al.Kind }},
			{title: "SUBJECT", cell: func(al api.Alarm) string { return al.Subject }},
			{title: "SINCE", cell: func(al api.Alarm) string { return a.ago(al.Since) }},
			{title: "TEXT", cell: func(al api.Alarm) string { return al.Text }},
			{title: "HINT", wide: true, cell: func(al api.Alarm) string { return al.Hint }},
		},
	}
}

func toneOfAlarm(al api.Alarm) tone {
	if al.Severity == "critical" {
		return toneBad
	}
	return toneWarn
}
