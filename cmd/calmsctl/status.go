package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newStatus(a *app) *cobra.Command {
	return spec{
		use:     "status",
		short:   "One look at the whole installation",
		long:    "Shows the fleet, the protection by backups, a replay that runs, and alarms. The exit\nstatus is 0 when all is well and 3 when an alarm is active or a service is not ready.",
		example: "calmsctl status\ncalmsctl status -o json\ncalmsctl status > /dev/null || echo look at it",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindPartial, calms.KindForbidden, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, _ []string) error {
			status, err := client.Status(ctx)
			if err != nil {
				return err
			}
			if err := printOne(a, statusView(a), status); err != nil {
				return err
			}
			if len(status.Alarms) > 0 || len(notReady(status)) > 0 {
				return quiet(calms.KindPartial)
			}
			return nil
		}),
	}.command()
}

func statusView(a *app) view[api.Status] {
	return view[api.Status]{
		name: func(s api.Status) string { return s.Epoch },
		more: printStatusTables,
		columns: []column[api.Status]{
			{title: "CLOUD", cell: func(s api.Status) string { return s.Version + ", up for " + ageText(a.now().Sub(s.Started)) }},
			{title: "SERVICES", cell: servicesText, tone: func(s api.Status) tone { return goodBad(len(notReady(s)) == 0) }},
			{title: "DEVICES", cell: devicesText},
			{title: "BACKUP", cell: func(s api.Status) string { return backupText(a, s.Backup) }, tone: func(s api.Status) tone { return toneOfBackup(s.Backup) }},
			{title: "AT RISK", cell: func(s api.Status) string { return s.Backup.Risk }, tone: func(api.Status) tone { return toneWarn }},
			{title: "ROOT KEY", cell: rootKeyText},
			{title: "EPOCH", cell: func(s api.Status) string { return s.Epoch }, tone: func(api.Status) tone { return toneDim }},
			{title: "REPLAY", cell: func(s api.Status) string { return replayText(s.Replay) }},
			{title: "ALARMS", cell: func(s api.Status) string { return alarmsText(s) }, tone: func(s api.Status) tone { return goodBad(len(s.Alarms) == 0) }},
		},
	}
}

func printStatusTables(a *app, s api.Status) error {
	if s.Replay != nil && !s.Replay.Complete && len(s.Replay.Devices) > 0 {
		a.section("Replay")
		if err := a.printTable(rowsOf(a, replayView(), s.Replay.Devices)); err != nil {
			return err
		}
	}
	if len(s.Alarms) == 0 {
		return nil
	}
	a.section("Alarms")
	if err := a.printTable(rowsOf(a, alarmView(a), s.Alarms)); err != nil {
		return err
	}
	for _, alarm := range s.Alarms {
		if alarm.Hint != "" {
			fmt.Fprintf(a.stdout, "\n%s: %s", alarm.Kind, alarm.Hint)
		}
	}
	fmt.Fprintln(a.stdout)
	return nil
}

func notReady(s api.Status) []api.Service {
	return slices.DeleteFunc(slices.Clone(s.Services), func(each api.Service) bool { return each.Ready })
}

func servicesText(s api.Status) string {
	down := notReady(s)
	if len(down) == 0 {
		return fmt.Sprintf("all %d ready", len(s.Services))
	}
	var words []string
	for _, each := range down {
		words = append(words, strings.TrimSuffix(each.Name+": "+each.Error, ": "))
	}
	return "not ready: " + strings.Join(words, "; ")
}

func alarmsText(s api.Status) string {
	if len(s.Alarms) == 0 {
		return "none"
	}
	return plural(len(s.Alarms), "alarm", "alarms")
}

func devicesText(s api.Status) string {
	text := fmt.Sprintf("%d of %d connected", s.Devices.Connected, s.Devices.Total)
	if s.Devices.Revoked > 0 {
		text += fmt.Sprintf(", %d revoked", s.Devices.Revoked)
	}
	return text
}

func backupText(a *app, b api.BackupStatus) string {
	switch {
	case b.Repository == nil:
		return "no repository"
	case b.Newest == nil:
		return "no snapshot yet"
	}
	text := "newest snapshot " + a.ago(b.Newest.Time)
	if b.Running {
		text += ", one runs now"
	}
	return text
}

func toneOfBackup(b api.BackupStatus) tone { return goodBad(b.Repository != nil && b.Newest != nil) }

func rootKeyText(s api.Status) string {
	if s.RootKey {
		return "still on the cloud's machine"
	}
	return ""
}

func replayText(r *api.ReplayStatus) string {
	if r == nil {
		return ""
	}
	if r.Complete {
		return "complete, after the restore of " + localTime(r.Restored)
	}
	return fmt.Sprintf("%d of %d devices have caught up", caughtUp(r), len(r.Devices))
}

func caughtUp(r *api.ReplayStatus) int {
	n := 0
	for _, d := range r.Devices {
		if d.CaughtUp {
			n++
		}
	}
	return n
}

func replayView() view[api.ReplayDevice] {
	return view[api.ReplayDevice]{columns: []column[api.ReplayDevice]{
		{title: "DEVICE", cell: func(d api.ReplayDevice) string { return d.Path }},
		{title: "HEARD", cell: func(d api.ReplayDevice) string { return yesNo(d.Heard) }},
		{title: "CURSOR", right: true, cell: func(d api.ReplayDevice) string { return count(d.Cursor) }},
		{title: "HEAD", right: true, cell: func(d api.ReplayDevice) string { return count(d.Head) }},
		{title: "REPLAYED", right: true, cell: func(d api.ReplayDevice) string { return count(d.Replayed) }},
		{title: "LOST", right: true, cell: func(d api.ReplayDevice) string { return count(d.Lost) }, tone: func(d api.ReplayDevice) tone { return goodBad(d.Lost == 0) }},
		{title: "CAUGHT UP", cell: func(d api.ReplayDevice) string { return yesNo(d.CaughtUp) }, tone: func(d api.ReplayDevice) tone { return goodBad(d.CaughtUp) }},
	}}
}
