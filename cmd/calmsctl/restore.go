package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/escrow"
)

const (
	defaultWait = 30 * time.Minute
	forever     = "forever"
)

func newRestore(a *app) *cobra.Command {
	cmd := spec{
		use:   "restore --recovery-file FILE --identity FILE",
		short: "Bring the cloud back from a snapshot",
		long: `Restores a snapshot into a daemon that was started in recovery mode with an empty data
directory; it wrote the recovery file. The repository's key is unwrapped here, with your
age identity, and is sent to that daemon only, which the file identifies.

Then the command waits until the cloud serves again and follows, through the context in
use, how the edges send again what is younger than the snapshot. The exit status is 0
when all have, and 8 when it stopped waiting before.`,
		example: "calmsctl restore --recovery-file recovery.yaml --identity identity.txt\ncalmsctl restore --recovery-file recovery.yaml --identity identity.txt --snapshot 20260801T120000Z --yes\ncalmsctl restore --recovery-file recovery.yaml --identity identity.txt --wait=0",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindConflict, calms.KindUnreachable, calms.KindPending},
		run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			r, err := a.newRecovery(cmd)
			if err != nil {
				return err
			}
			defer r.close()
			return r.run(ctx, cmd)
		},
	}.command()
	cmd.Flags().String("recovery-file", "", "`file` that the daemon in recovery mode wrote; - is the standard input")
	cmd.Flags().String("identity", "", "your age identity `file`")
	cmd.Flags().String("snapshot", latest, "snapshot `id`, or latest")
	cmd.Flags().String("wait", defaultWait.String(), "longest `time` to follow the edges: =10m, =0, or =forever, which --wait alone means")
	cmd.Flags().Lookup("wait").NoOptDefVal = forever
	addYes(cmd)
	for _, name := range []string{"recovery-file", "identity"} {
		_ = cmd.MarkFlagFilename(name)
	}
	return cmd
}

// recovery is one restore: the daemon in recovery mode, and the cloud that it
// becomes.
type recovery struct {
	a      *app
	daemon *api.Client
	cloud  *api.Client // nil where nobody waits
	people []age.Identity
	wait   time.Duration
}

// newRecovery checks everything that can be checked before anything happens.
func (a *app) newRecovery(cmd *cobra.Command) (*recovery, error) {
	text := func(name string) string { value, _ := cmd.Flags().GetString(name); return value }
	if text("recovery-file") == "" || text("identity") == "" {
		return nil, usage(cmd, "--recovery-file and --identity are needed")
	}
	r := &recovery{a: a}
	var err error
	if r.wait, err = parseWait(cmd, text("wait")); err != nil {
		return nil, err
	}
	identity, err := a.readFile(text("identity"))
	if err != nil {
		return nil, err
	}
	if r.people, err = escrow.ReadIdentities(bytes.NewReader(identity)); err != nil {
		return nil, calms.Wrap(text("identity"), err)
	}
	if r.daemon, err = a.recoveryClient(text("recovery-file")); err != nil {
		return nil, err
	}
	if r.wait > 0 {
		if r.cloud, err = a.client(); err != nil {
			return nil, calms.Errorf(calms.KindOf(err), "after the restore, edges are followed through a context: %w", err).
				WithHint("make the context again from the operator file, or pass --wait=0")
		}
	}
	return r, nil
}

func parseWait(cmd *cobra.Command, text string) (time.Duration, error) {
	if text == forever {
		return 365 * 24 * time.Hour, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 {
		return 0, usage(cmd, "--wait %q is not a time such as --wait=10m, 0, or forever", text)
	}
	return wait, nil
}

func (a *app) recoveryClient(name string) (*api.Client, error) {
	data, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	file, err := api.ParseRecoveryFile(data)
	if err != nil {
		return nil, calms.Wrap(name, err)
	}
	pin, err := file.Pin()
	if err != nil {
		return nil, err
	}
	return api.NewClient(api.Config{URL: file.URL, Key: file.Secret, Pin: &pin, Version: programVersion(), Timeout: a.settings.GetDuration("timeout")})
}

func (r *recovery) close() {
	r.daemon.Close()
	if r.cloud != nil {
		r.cloud.Close()
	}
}

func (r *recovery) run(ctx context.Context, cmd *cobra.Command) error {
	state, err := r.daemon.Recovery(ctx)
	if err != nil {
		return err
	}
	snapshot, err := r.choose(cmd, state)
	if err != nil {
		return err
	}
	key, err := r.unwrap(state.Key)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("This restores snapshot %s of %s (%s) into an empty cloud.", snapshot.ID, localTime(snapshot.Time), r.a.ago(snapshot.Time))
	if err := r.a.confirm(cmd, question, snapshot.ID); err != nil {
		return err
	}
	report, err := r.restore(ctx, api.RestoreRequest{Snapshot: snapshot.ID, Identity: key})
	if err != nil {
		return err
	}
	return r.follow(ctx, report)
}

// choose finds the snapshot among those that the repository offers.
func (r *recovery) choose(cmd *cobra.Command, state api.Recovery) (api.Snapshot, error) {
	if state.State != "waiting" {
		return api.Snapshot{}, calms.Errorf(calms.KindConflict, "the daemon does not wait for a restore: its state is %s", state.State).
			WithHint("start it again in recovery mode, with an empty data directory")
	}
	id, _ := cmd.Flags().GetString("snapshot")
	if id == latest {
		var err error
		if id, err = newestSnapshot(state.Snapshots); err != nil {
			return api.Snapshot{}, err
		}
	}
	for _, s := range state.Snapshots {
		if s.ID == id {
			return s, nil
		}
	}
	return api.Snapshot{}, calms.Errorf(calms.KindNotFound, "the repository has no snapshot %q", id).
		WithHint("it has %s", joinWords(each(state.Snapshots, func(s api.Snapshot) string { return s.ID })))
}

// unwrap opens the repository's key on this machine.
func (r *recovery) unwrap(wrapped []byte) (string, error) {
	key, err := escrow.Unwrap(wrapped, r.people)
	if err != nil {
		return "", err
	}
	return key.String(), nil
}

// restore sends the key and follows the restore to its end.
func (r *recovery) restore(ctx context.Context, request api.RestoreRequest) (api.RestoreReport, error) {
	bar := r.a.newProgress("restore")
	defer bar.clear()
	state, err := r.daemon.Restore(ctx, request)
	for ; err == nil; state, err = r.daemon.Recovery(ctx) {
		switch {
		case state.State == "failed":
			return api.RestoreReport{}, calms.Errorf(calms.KindInternal, "the restore failed: %s", state.Error).
				WithHint("empty the data directory, start the daemon in recovery mode again, and retry")
		case state.State == "restored" && state.Report != nil:
			return *state.Report, nil
		}
		bar.show(fmt.Sprintf("%s %s of %s", state.Step, bytesText(state.Done), bytesText(state.Total)), float64(state.Done)/float64(max(state.Total, 1)))
		if err := pause(ctx); err != nil {
			return api.RestoreReport{}, err
		}
	}
	return api.RestoreReport{}, err
}
