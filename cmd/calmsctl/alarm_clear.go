package main

import (
	"context"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newAlarmClear(a *app) *cobra.Command {
	return spec{
		use:   "clear KIND SUBJECT",
		short: "End an alarm that somebody has looked at",
		long: `Ends an active alarm, by its kind and subject as calmsctl alarm list shows them. Alarms
about something that happened, such as loss, fork or ticket-misused, end in no other way;
one about something that still is, such as no-repository, comes back within seconds.`,
		example: "calmsctl alarm clear loss acme/ljubljana/comp-3",
		args:    cobra.ExactArgs(2),
		exits:   []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, args []string) error {
			cleared, err := client.ClearAlarm(ctx, api.ClearAlarmRequest{Kind: args[0], Subject: args[1]})
			if err != nil {
				return err
			}
			return printOne(a, alarmView(a), cleared)
		}),
	}.command()
}
