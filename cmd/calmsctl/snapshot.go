package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// pollEvery is how often something that runs in the cloud is looked at.
const pollEvery = 500 * time.Millisecond

func newBackupCreate(a *app) *cobra.Command {
	cmd := spec{
		use:   "create",
		short: "Make a snapshot of the whole cloud",
		long: `Makes a snapshot and waits until it is complete. Where one is being made already, it
waits for that one to end and makes another: yours holds what the cloud holds now.`,
		example: "calmsctl backup create\ncalmsctl backup create --no-wait -o name",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindConflict, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, _ []string) error {
			create := a.createAndAwait
			if no, _ := cmd.Flags().GetBool("no-wait"); no {
				create = func(ctx context.Context, client *api.Client) (api.Snapshot, error) { return client.CreateSnapshot(ctx) }
			}
			snapshot, err := create(ctx, client)
			if err != nil {
				return err
			}
			return printOne(a, snapshotView(a), snapshot)
		}),
	}.command()
	cmd.Flags().Bool("no-wait", false, "return when the snapshot has begun")
	return cmd
}

func (a *app) createAndAwait(ctx context.Context, client *api.Client) (api.Snapshot, error) {
	bar := a.newProgress("backup")
	defer bar.clear()
	for ended := false; ; {
		snapshot, err := client.CreateSnapshot(ctx)
		if err == nil {
			return a.awaitSnapshot(ctx, client, snapshot, bar)
		}
		busy, listErr := anyRunning(ctx, client)
		// One that is not running any more may have ended between the two questions.
		if calms.KindOf(err) != calms.KindConflict || listErr != nil || !busy && ended {
			return snapshot, err
		}
		if ended = !busy; ended {
			continue
		}
		bar.show("waiting for another snapshot to end", -1)
		if err := pause(ctx); err != nil {
			return snapshot, err
		}
	}
}

func anyRunning(ctx context.Context, client *api.Client) (bool, error) {
	items, err := client.ListSnapshots(ctx)
	return slices.ContainsFunc(items, func(s api.Snapshot) bool { return s.State == api.SnapshotRunning }), err
}

func (a *app) awaitSnapshot(ctx context.Context, client *api.Client, s api.Snapshot, bar *progress) (api.Snapshot, error) {
	begun := a.now()
	for s.State == api.SnapshotRunning {
		bar.show(fmt.Sprintf("%s for %s", bytesText(s.Bytes), ageText(a.now().Sub(begun))), -1)
		if err := pause(ctx); err != nil {
			return s, err
		}
		var err error
		if s, err = client.GetSnapshot(ctx, s.ID); err != nil {
			return s, err
		}
	}
	if s.State == api.SnapshotFailed {
		return s, calms.Errorf(calms.KindInternal, "snapshot %s failed: %s", s.ID, s.Error).WithHint("calmsctl status")
	}
	return s, nil
}

// pause waits a moment, unless the user interrupts.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollEvery):
		return nil
	}
}

func newBackupVerify(a *app) *cobra.Command {
	return spec{
		use:      "verify ID|latest",
		short:    "Read a snapshot in the repository and compare its hashes",
		long:     "Reads every pack of a snapshot in the repository and compares its hash. It needs no key\nthat opens it. The exit status is 1 when something is damaged or missing.",
		example:  "calmsctl backup verify latest\ncalmsctl backup verify 20260801T120000Z -o json",
		args:     cobra.ExactArgs(1),
		complete: first(a.completeSnapshots()),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, args []string) error {
			id, err := resolveSnapshot(ctx, client, args[0])
			if err != nil {
				return err
			}
			v, err := client.VerifySnapshot(ctx, id)
			if err != nil {
				return err
			}
			if err := printOne(a, verificationView(), v); err != nil {
				return err
			}
			if n := len(v.Problems); n > 0 {
				return calms.Errorf(calms.KindInvalid, "snapshot %s has %s", v.Snapshot, plural(n, "problem", "problems")).
					WithHint("calmsctl backup create makes a new one; keep the damaged one")
			}
			return nil
		}),
	}.command()
}

// resolveSnapshot finds the newest complete snapshot for the word latest.
func resolveSnapshot(ctx context.Context, client *api.Client, id string) (string, error) {
	if id != latest {
		return id, nil
	}
	items, err := client.ListSnapshots(ctx)
	if err != nil {
		return "", err
	}
	return newestSnapshot(items)
}

func newestSnapshot(items []api.Snapshot) (string, error) {
	var newest *api.Snapshot
	for i, s := range items {
		if s.State == api.SnapshotDone && (newest == nil || s.Time.After(newest.Time)) {
			newest = &items[i]
		}
	}
	if newest == nil {
		return "", calms.Errorf(calms.KindNotFound, "there is no complete snapshot").WithHint("calmsctl backup create")
	}
	return newest.ID, nil
}

func verificationView() view[api.Verification] {
	return view[api.Verification]{
		name: func(v api.Verification) string { return v.Snapshot },
		columns: []column[api.Verification]{
			{title: "SNAPSHOT", cell: func(v api.Verification) string { return v.Snapshot }},
			{title: "RESULT", cell: func(v api.Verification) string {
				if len(v.Problems) == 0 {
					return "intact"
				}
				return "damaged"
			}, tone: func(v api.Verification) tone { return goodBad(len(v.Problems) == 0) }},
			{title: "PACKS", cell: func(v api.Verification) string { return fmt.Sprint(v.Packs) }},
			{title: "SIZE", cell: func(v api.Verification) string { return bytesText(v.Bytes) }},
			{title: "PROBLEMS", cell: func(v api.Verification) string { return joinLines(v.Problems) }, tone: func(api.Verification) tone { return toneBad }},
		},
	}
}
