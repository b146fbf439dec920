package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/facts"
)

// run runs the service until the returned function is called.
func (r *rig) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.service.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

func (r *rig) done() int {
	r.t.Helper()
	list, err := r.service.List(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	n := 0
	for _, snapshot := range list {
		if snapshot.State == api.SnapshotDone {
			n++
		}
	}
	return n
}

func TestSnapshotsComeByThemselves(t *testing.T) {
	r := newRig(t)
	r.reopen(Options{Every: 200 * time.Millisecond, Tend: 10 * time.Millisecond})
	stop := r.run()
	defer stop()
	time.Sleep(50 * time.Millisecond) // nothing may happen without a repository
	if list, err := r.service.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("without a repository: %v, %v", list, err)
	}
	r.init()
	wait(t, "three snapshots", func() bool { return r.done() >= 3 })
}

func TestMissedSnapshotIsMadeAtStartAndOneInTimeIsNot(t *testing.T) {
	r := newRig(t)
	r.init()
	r.take()
	r.reopen(Options{Tend: 10 * time.Millisecond})
	stop := r.run()
	status, err := r.service.Status(t.Context())
	if err != nil || status.Next == nil || time.Until(*status.Next) < 10*time.Hour || time.Until(*status.Next) > 14*time.Hour {
		t.Errorf("next is %v, %v", status.Next, err)
	}
	time.Sleep(100 * time.Millisecond)
	stop()
	if n := r.done(); n != 1 {
		t.Fatalf("%d snapshots, 1 was due", n)
	}
	r.exec(r.service.DB(), `UPDATE snapshots SET started = started - $1`, int64(14*time.Hour))
	r.reopen(Options{Tend: 10 * time.Millisecond})
	defer r.run()()
	wait(t, "the missed snapshot", func() bool { return r.done() == 2 })
}

func TestDueAfter(t *testing.T) {
	s := &Service{options: Options{}.withDefaults()}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(hours float64) *snapshot {
		when := now.Add(time.Duration(hours * float64(time.Hour)))
		return &snapshot{id: fmt.Sprint(hours), started: when, finished: when.Add(time.Minute)}
	}
	for name, c := range map[string]struct {
		good, failed *snapshot
		from, to     float64 // hours from now
	}{
		"never":                      {nil, nil, 0, 0},
		"just now":                   {at(0), nil, 10.8, 13.2},
		"long ago":                   {at(-100), nil, -90, -80},
		"from the future":            {at(100), nil, 0, 0},
		"just failed":                {nil, at(-0.1), 0.3, 0.6},
		"failed after a good one":    {at(-13.5), at(-0.1), 0.3, 0.6},
		"failed before a good one":   {at(-1), at(-2), 9.8, 12.2},
		"failed in the future":       {nil, at(50), 0, 0},
		"failed long before the due": {at(-2), at(-1.9), 8.8, 11.2},
	} {
		if got := s.dueAfter(c.good, c.failed, now).Sub(now).Hours(); got < c.from || got > c.to {
			t.Errorf("%s: due in %.2f h, want %.1f to %.1f", name, got, c.from, c.to)
		}
	}
	spread := map[time.Duration]bool{}
	for i := range 100 {
		spread[s.jittered(fmt.Sprint("20261122t000000z-", i)).Truncate(time.Minute)] = true
	}
	if len(spread) < 50 {
		t.Errorf("the interval takes %d values of 100", len(spread))
	}
}

func TestUnheardSnapshotIsAnnouncedAgain(t *testing.T) {
	r := newRig(t)
	r.init()
	boom := errors.New("boom")
	calls := 0
	r.service.options.Covered = func(context.Context, Covered) error { calls++; return boom }
	if snapshot := r.take(); snapshot.State != api.SnapshotDone || calls != 1 {
		t.Errorf("%+v, %d calls", snapshot, calls)
	}
	r.reopen(Options{Tend: 10 * time.Millisecond})
	r.service.tend(t.Context())
	r.service.tend(t.Context())
	if len(r.covered) != 1 {
		t.Errorf("covered is %+v", r.covered)
	}
}

func TestCancelledSnapshotIsNotedAsFailed(t *testing.T) {
	r := newRig(t)
	r.init()
	ctx, cancel := context.WithCancel(t.Context())
	r.service.Protect(cancelling{Database("history", r.history, nil), cancel})
	snapshot, err := r.service.Take(ctx, nil)
	if !errors.Is(err, context.Canceled) || snapshot.State != api.SnapshotFailed {
		t.Errorf("%+v, %v", snapshot, err)
	}
	if got, err := r.service.Snapshot(t.Context(), snapshot.ID); err != nil || got.State != api.SnapshotFailed {
		t.Errorf("%+v, %v", got, err)
	}
}

type cancelling struct {
	Source
	cancel context.CancelFunc
}

func (c cancelling) Export(ctx context.Context, w io.Writer) (Exported, error) {
	c.cancel()
	return c.Source.Export(ctx, w)
}

func TestFactsOutliveTheSnapshot(t *testing.T) {
	r := newRig(t)
	log := r.service.Facts()
	at := time.Date(2026, 11, 22, 10, 0, 0, 123, time.UTC)
	if err := log.Append(t.Context(), facts.DeviceRevoked, "d-1", at, nil); !errors.Is(err, ErrNoRepository) {
		t.Errorf("without a repository: %v", err)
	}
	r.init()
	r.take()
	var want []facts.Fact
	for i := range 5 {
		f := facts.Fact{Kind: facts.DeviceRevoked, Subject: fmt.Sprint("d-", i), At: at.Add(time.Duration(i) * time.Minute), Detail: map[string]string{"reason": "stolen"}}
		want = append(want, f)
	}
	for _, f := range slices.Backward(want) { // they come back in the order of their times
		for range 2 { // telling twice keeps one
			if err := log.Append(t.Context(), f.Kind, f.Subject, f.At, f.Detail); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, report := r.mustRestore(latest)
	if fmt.Sprint(report.Facts) != fmt.Sprint(want) || len(report.BadFacts) != 0 {
		t.Errorf("facts are %v, %v, want %v", report.Facts, report.BadFacts, want)
	}
	// A fact that rotted does not stop a restore, and is told.
	victim := entries(t, r.repo+"/facts")[0]
	rot(t, r, strings.TrimPrefix(victim, r.repo))
	_, report = r.mustRestore(latest)
	if len(report.Facts) != 4 || len(report.BadFacts) != 1 || !strings.Contains(report.BadFacts[0], victim[len(victim)-20:]) {
		t.Errorf("facts are %v, %v", report.Facts, report.BadFacts)
	}
}

func TestFactsWaitForAnUnreachableRepository(t *testing.T) {
	r := newRig(t)
	r.init()
	r.take()
	away := r.repo + ".away"
	if err := os.Rename(r.repo, away); err != nil {
		t.Fatal(err)
	}
	log := r.service.Facts()
	at := time.Now()
	for range 3 {
		if err := log.Append(t.Context(), facts.TicketUsed, "t-1", at, nil); calms.KindOf(err) != calms.KindPending {
			t.Errorf("append gives %v", err)
		}
	}
	if n, err := log.Pending(t.Context()); err != nil || n != 1 {
		t.Errorf("%d pending, %v", n, err)
	}
	status, err := r.service.Status(t.Context())
	if err != nil || status.PendingFacts != 1 || !strings.Contains(status.Risk, "not in the repository yet") {
		t.Errorf("status is %+v, %v", status, err)
	}
	if err := os.Rename(away, r.repo); err != nil {
		t.Fatal(err)
	}
	r.reopen(Options{Tend: 10 * time.Millisecond}) // they survive a restart
	defer r.run()()
	wait(t, "the fact is sent", func() bool {
		n, err := r.service.Facts().Pending(t.Context())
		return err == nil && n == 0
	})
	if _, report := r.mustRestore(latest); len(report.Facts) != 1 || report.Facts[0].Subject != "t-1" {
		t.Errorf("facts are %v", report.Facts)
	}
}
