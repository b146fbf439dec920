package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/escrow"
)

// latest stands for the newest complete snapshot.
const latest = "latest"

func newBackup(a *app) *cobra.Command {
	return group("backup", "Protect the cloud by encrypted snapshots",
		"calmsctl backup keygen --file oncall-identity.txt\ncalmsctl backup init --folder /srv/backup --recipient age1...\ncalmsctl backup create\ncalmsctl backup list\ncalmsctl backup verify latest",
		newBackupKeygen(a), newBackupInit(a), newBackupCreate(a), newBackupList(a), newBackupVerify(a), newBackupStatus(a))
}

func newBackupInit(a *app) *cobra.Command {
	cmd := spec{
		use:   "init --folder DIR --recipient AGE...",
		short: "Make the repository that snapshots go to",
		long: `Makes the repository. Its key pair is made here, on your machine: the cloud gets the
public half, and the private half only encrypted to the recipients, so that it can
write backups and never read them. Only the holders of the recipients' identities can
restore; give at least two people, who keep them away from the cloud.

calmsctl backup keygen makes an identity, and so does age-keygen.`,
		example: "calmsctl backup init --folder /srv/backup --recipient age1... --recipient age1...",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindForbidden, calms.KindConflict, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, _ []string) error {
			folder, _ := cmd.Flags().GetString("folder")
			people, _ := cmd.Flags().GetStringArray("recipient")
			if folder == "" || len(people) == 0 {
				return usage(cmd, "--folder and at least one --recipient are needed")
			}
			key, err := escrow.Make(people)
			if err != nil {
				return err
			}
			made, err := client.CreateRepository(ctx, api.RepositoryRequest{Folder: folder, Recipient: key.Recipient, WrappedKey: key.Wrapped, Recipients: key.People})
			if err != nil {
				return err
			}
			a.note("Next: calmsctl backup create")
			return printOne(a, repositoryView(), made)
		}),
	}.command()
	cmd.Flags().String("folder", "", "`directory` on the cloud's machine, best on another disk")
	cmd.Flags().StringArray("recipient", nil, "age public `key` of somebody who may restore; may be given several times")
	return cmd
}

func repositoryView() view[api.Repository] {
	return view[api.Repository]{
		name: func(r api.Repository) string { return r.Folder },
		columns: []column[api.Repository]{
			{title: "FOLDER", cell: func(r api.Repository) string { return r.Folder }},
			{title: "RECIPIENT", cell: func(r api.Repository) string { return r.Recipient }},
			{title: "RESTORED BY", cell: func(r api.Repository) string { return joinLines(r.Recipients) }},
			{title: "CREATED", cell: func(r api.Repository) string { return localTime(r.Created) }},
		},
	}
}

func newBackupList(a *app) *cobra.Command {
	return spec{
		use: "list", aliases: []string{"ls"}, short: "List snapshots, newest first",
		example: "calmsctl backup list\ncalmsctl backup list -o name",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, _ []string) error {
			items, err := client.ListSnapshots(ctx)
			if err != nil {
				return err
			}
			return printList(a, snapshotView(a), items)
		}),
	}.command()
}

func snapshotView(a *app) view[api.Snapshot] {
	return view[api.Snapshot]{
		name: func(s api.Snapshot) string { return s.ID },
		none: "there are no snapshots yet: calmsctl backup create",
		columns: []column[api.Snapshot]{
			{title: "ID", cell: func(s api.Snapshot) string { return s.ID }},
			{title: "TIME", cell: func(s api.Snapshot) string { return localTime(s.Time) }},
			{title: "AGE", cell: func(s api.Snapshot) string { return ageText(a.now().Sub(s.Time)) }},
			{title: "STATE", cell: func(s api.Snapshot) string { return s.State }, tone: toneOfSnapshot},
			{title: "SIZE", right: true, cell: func(s api.Snapshot) string { return bytesText(s.Bytes) }},
			{title: "STORED", right: true, cell: func(s api.Snapshot) string { return bytesText(s.Stored) }},
			{title: "TOOK", right: true, cell: func(s api.Snapshot) string { return seconds(s.Duration) }},
			{title: "SERVICES", wide: true, cell: servicesOf},
			{title: "ERROR", wide: true, cell: func(s api.Snapshot) string { return s.Error }},
		},
	}
}

func toneOfSnapshot(s api.Snapshot) tone {
	switch s.State {
	case api.SnapshotDone:
		return toneGood
	case api.SnapshotRunning:
		return toneWarn
	}
	return toneBad
}

func servicesOf(s api.Snapshot) string {
	words := each(s.Services, func(s api.SnapshotService) string { return s.Name })
	return joinWords(words)
}

func newBackupStatus(a *app) *cobra.Command {
	return spec{
		use: "status", short: "Show how well the cloud is protected",
		long:    "Shows the repository and the newest snapshot. The exit status is 3 when something would\nbe lost with the cloud's machine.",
		example: "calmsctl backup status",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindPartial, calms.KindForbidden, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, _ []string) error {
			status, err := client.Status(ctx)
			if err != nil {
				return err
			}
			if err := printOne(a, backupStatusView(a), status.Backup); err != nil {
				return err
			}
			if status.Backup.Risk != "" {
				return quiet(calms.KindPartial)
			}
			return nil
		}),
	}.command()
}

func backupStatusView(a *app) view[api.BackupStatus] {
	return view[api.BackupStatus]{
		name: func(b api.BackupStatus) string {
			if b.Newest == nil {
				return "none"
			}
			return b.Newest.ID
		},
		columns: []column[api.BackupStatus]{
			{title: "BACKUP", cell: func(b api.BackupStatus) string { return backupText(a, b) }, tone: toneOfBackup},
			{title: "REPOSITORY", cell: func(b api.BackupStatus) string {
				if b.Repository == nil {
					return ""
				}
				return b.Repository.Folder
			}},
			{title: "RESTORED BY", cell: func(b api.BackupStatus) string {
				if b.Repository == nil {
					return ""
				}
				return joinLines(b.Repository.Recipients)
			}},
			{title: "NEXT", cell: func(b api.BackupStatus) string { return localTimePtr(b.Next) }},
			{title: "NOT IN IT YET", cell: func(b api.BackupStatus) string {
				if b.PendingFacts == 0 {
					return ""
				}
				return fmt.Sprintf("%d revocations and burnt tickets", b.PendingFacts)
			}, tone: func(api.BackupStatus) tone { return toneWarn }},
			{title: "AT RISK", cell: func(b api.BackupStatus) string { return b.Risk }, tone: func(api.BackupStatus) tone { return toneWarn }},
		},
	}
}
