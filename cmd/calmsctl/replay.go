package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// untold is how long a cloud that serves may say nothing of a replay.
const untold = time.Minute

// follow waits for the cloud and for its edges, and prints the outcome.
func (r *recovery) follow(ctx context.Context, report api.RestoreReport) error {
	outcome := api.ReplayStatus{Restored: report.Restored, SnapshotTime: report.SnapshotTime, Report: &report, Devices: []api.ReplayDevice{}}
	err := r.replay(ctx, &outcome)
	if ctx.Err() != nil {
		return err
	}
	if outcome.Report == nil {
		outcome.Report = &report
	}
	if err := printOne(r.a, outcomeView(), outcome); err != nil {
		return err
	}
	return err
}

// replay keeps outcome up to date until it is complete or the time is over.
func (r *recovery) replay(ctx context.Context, outcome *api.ReplayStatus) error {
	if r.cloud == nil {
		return stillReplaying("nobody waited for the edges")
	}
	bar := r.a.newProgress("replay")
	defer bar.clear()
	end := r.a.now().Add(r.wait)
	var served time.Time // since when it serves without telling of a replay
	var last error
	for r.a.now().Before(end) {
		status, err := r.cloud.Status(ctx)
		last = err
		switch {
		case lasting(err):
			return calms.Wrap("the snapshot is restored, but the edges cannot be followed", err)
		case err != nil:
			bar.show("waiting until the cloud serves again: "+err.Error(), -1)
		case status.Replay != nil:
			*outcome = *status.Replay
			if outcome.Complete {
				return nil
			}
			bar.show(replayText(outcome), float64(caughtUp(outcome))/float64(max(1, len(outcome.Devices))))
		case served.IsZero():
			served = r.a.now()
		case r.a.now().Sub(served) > untold:
			return stillReplaying("the cloud serves, and does not tell of a replay: it was started again since")
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	if last != nil {
		return stillReplaying("the time to wait is over, and the cloud does not serve: " + last.Error())
	}
	return stillReplaying("the time to wait is over")
}

func stillReplaying(why string) error {
	return calms.Errorf(calms.KindPending, "the snapshot is restored; it is not known that every edge has sent again what is younger: %s", why).
		WithHint("calmsctl status")
}

// lasting tells an error that waiting will not heal.
func lasting(err error) bool {
	_, refused := errors.AsType[*tls.CertificateVerificationError](err)
	switch calms.KindOf(err) {
	case calms.KindUnauthenticated, calms.KindForbidden:
		return true
	case calms.KindUnavailable:
		return false // in recovery mode still, with the certificate of that
	}
	return refused
}

func outcomeView() view[api.ReplayStatus] {
	report := func(f func(api.RestoreReport) string) func(api.ReplayStatus) string {
		return func(s api.ReplayStatus) string { return f(*s.Report) }
	}
	return view[api.ReplayStatus]{
		name: func(s api.ReplayStatus) string { return s.Report.Snapshot },
		columns: []column[api.ReplayStatus]{
			{title: "SNAPSHOT", cell: report(func(r api.RestoreReport) string { return r.Snapshot + " of " + localTime(r.SnapshotTime) })},
			{title: "RESTORED", cell: report(func(r api.RestoreReport) string {
				return fmt.Sprintf("%d rows, %s in %s", r.Rows, bytesText(r.Bytes), seconds(r.Duration))
			})},
			{title: "FACTS", cell: report(func(r api.RestoreReport) string {
				return fmt.Sprintf("%d revocations and burnt tickets younger than the snapshot applied", r.Facts)
			})},
			{title: "EPOCH", cell: report(func(r api.RestoreReport) string { return r.Epoch })},
			{title: "REPLAY", cell: func(s api.ReplayStatus) string {
				if s.Complete {
					return "complete"
				}
				return "not complete"
			}, tone: func(s api.ReplayStatus) tone { return goodBad(s.Complete) }},
		},
		more: func(a *app, s api.ReplayStatus) error {
			if len(s.Devices) == 0 {
				return nil
			}
			a.section("Devices")
			return a.printTable(rowsOf(a, replayView(), s.Devices))
		},
	}
}
