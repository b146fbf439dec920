package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
)

// maxTicketLife is what a cloud allows at most.
const maxTicketLife = 30 * 24 * time.Hour

func newProvision(a *app) *cobra.Command {
	cmd := spec{
		use:   "provision PATH",
		short: "Make a one-time ticket with which a device enrols",
		long: `Makes a ticket, a secret that lets one edge enrol as this device, once. A device that
does not exist is created. With --ticket-file the ticket goes to a file that only you
can read; take it to the site as you would take a key.`,
		example:  "calmsctl device provision acme/ljubljana/comp-3 --ticket-file comp-3.ticket\ncalmsctl device provision acme/ljubljana/comp-3 --ttl 15m | ssh comp-3 calms-edge enroll --ticket-file -",
		args:     paths(1, 1, calms.LevelDevice),
		complete: first(a.completePaths(calms.LevelDevice)),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindConflict, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, args []string) error {
			ttl, _ := cmd.Flags().GetDuration("ttl")
			file, _ := cmd.Flags().GetString("ticket-file")
			if ttl < time.Second || ttl > maxTicketLife {
				return usage(cmd, "--ttl %s is not between 1s and %dh (30 days)", ttl, int(maxTicketLife.Hours()))
			}
			if err := a.checkTicketFile(cmd, file); err != nil {
				return err
			}
			answer, err := client.ProvisionDevice(ctx, calms.Path(args[0]), api.ProvisionRequest{TTLSeconds: int(ttl / time.Second)})
			if err != nil {
				return err
			}
			return a.handOver(answer, file)
		}),
	}.command()
	cmd.Flags().Duration("ttl", time.Hour, "`time` until the ticket expires")
	cmd.Flags().String("ticket-file", "", "write the ticket to a `file`, 0600, instead of the standard output")
	return cmd
}

// checkTicketFile refuses, before a ticket is made, what would lose it or
// another one. A pipe or a device is nothing that is overwritten.
func (a *app) checkTicketFile(cmd *cobra.Command, file string) error {
	if file == "" {
		if a.format() == formatName {
			return usage(cmd, "-o name prints no ticket: --ticket-file is needed")
		}
		return nil
	}
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
		return calms.Errorf(calms.KindConflict, "%s exists already", file).WithHint("name another file: a ticket is never overwritten")
	}
	return nil
}

// handOver gives the ticket to the user and says what to do with it.
func (a *app) handOver(p api.Provisioned, file string) error {
	if file != "" {
		if err := writeTicket(file, p.Ticket); err != nil {
			return calms.Errorf(calms.KindInvalid, "the ticket was made, but cannot be written: %w", err).
				WithHint("calmsctl device provision %s makes another one", p.Device.Path)
		}
		p.Ticket = "" // it is in the file, and nowhere else
	}
	err := a.printTicket(p)
	if lost := a.stdout.lost(); lost != nil && file == "" {
		return calms.Errorf(calms.KindInternal, "the ticket was made, and is lost: %w", lost).
			WithHint("calmsctl device provision %s makes another one", p.Device.Path)
	}
	if err != nil {
		return err
	}
	shown := file
	if shown == "" {
		shown = "FILE"
	}
	a.note("The ticket of %s works once, until %s. On the site:\n\n  calms-edge enroll --ticket-file %s\n", p.Device.Path, localTime(p.Expires), shown)
	return nil
}

func writeTicket(file, ticket string) error {
	out, err := durable.Create(file, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, ticket); err != nil {
		return errors.Join(err, out.Abort())
	}
	return out.Commit()
}

func (a *app) printTicket(p api.Provisioned) error {
	switch f := a.format(); f {
	case formatJSON, formatYAML:
		return a.printDocument(f, p)
	case formatLines:
		return printLines(a.stdout, []api.Provisioned{p})
	case formatName:
		fmt.Fprintln(a.stdout, p.Device.Path)
		return nil
	}
	if p.Ticket != "" {
		fmt.Fprintln(a.stdout, p.Ticket)
	}
	return nil
}

func newRevoke(a *app) *cobra.Command {
	cmd := spec{
		use:   "revoke PATH --reason WORDS",
		short: "Shut a device out, at once and for good",
		long: `Revokes a device: live connections are cut, its certificates and everything that it
sends are refused from now on. It asks for the path; --yes answers. The revocation is
safe against the restore of an older backup when the backup repository holds it, which
the command tells.`,
		example:  "calmsctl device revoke acme/ljubljana/comp-3 --reason \"stolen\"\ncalmsctl device revoke acme/ljubljana/comp-3 --reason \"stolen\" --yes",
		args:     paths(1, 1, calms.LevelDevice),
		complete: first(a.completePaths(calms.LevelDevice)),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindConflict, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, args []string) error {
			reason, _ := cmd.Flags().GetString("reason")
			if reason == "" {
				return usage(cmd, "--reason is needed: it is kept in the audit log")
			}
			if err := a.confirm(cmd, "This shuts "+args[0]+" out for good.", args[0]); err != nil {
				return err
			}
			answer, err := client.RevokeDevice(ctx, calms.Path(args[0]), api.RevokeRequest{Reason: reason})
			if err != nil {
				return err
			}
			if !answer.Complete {
				a.warn("no backup repository holds the revocation yet: a restore could undo it")
			}
			return printOne(a, revokedView(), answer)
		}),
	}.command()
	cmd.Flags().String("reason", "", "why, in `words`")
	addYes(cmd)
	return cmd
}

func revokedView() view[api.Revoked] {
	return view[api.Revoked]{
		name: func(r api.Revoked) string { return r.Device.Path },
		columns: []column[api.Revoked]{
			{title: "PATH", cell: func(r api.Revoked) string { return r.Device.Path }},
			{title: "STATE", cell: func(r api.Revoked) string { return r.Device.State }, tone: func(r api.Revoked) tone { return toneOfState(r.Device) }},
			{title: "CONNECTIONS CUT", cell: func(r api.Revoked) string { return count(uint64(r.Disconnected)) }},
			{title: "IN THE REPOSITORY", cell: func(r api.Revoked) string { return yesNo(r.Complete) }, tone: func(r api.Revoked) tone { return goodBad(r.Complete) }},
		},
	}
}
