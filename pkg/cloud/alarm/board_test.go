package alarm

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"go.calms.com/calms/pkg/api"
)

func newBoard(t *testing.T) *Board {
	return NewBoard(slog.New(slog.NewTextHandler(t.Output(), nil)))
}

func TestRaiseKeepsSince(t *testing.T) {
	b := newBoard(t)
	b.Raise("disk-full", "history", Warning, "first", "")
	since := b.Active()[0].Since
	b.Raise("disk-full", "history", Critical, "second", "free space")

	got := b.Active()
	if len(got) != 1 {
		t.Fatalf("%d alarms, want 1", len(got))
	}
	if a := got[0]; a.Since != since || since.IsZero() || a.Text != "second" || a.Severity != Critical || a.Hint != "free space" {
		t.Errorf("alarm raised again is %+v, since was %v", a, since)
	}

	b.Clear("disk-full", "history")
	b.Clear("disk-full", "history")
	if got := b.Active(); len(got) != 0 {
		t.Errorf("cleared, but %v stands", got)
	}
}

func TestOrder(t *testing.T) {
	b := newBoard(t)
	b.Raise("no-repository", "backup", Warning, "", "")
	b.Raise("fork", "acme/b/c", Critical, "", "")
	b.Raise("fork", "acme/a/c", Critical, "", "")
	b.Raise("disk-full", "pki", Warning, "", "")
	want := []string{"fork acme/a/c", "fork acme/b/c", "disk-full pki", "no-repository backup"}
	for i, a := range b.Active() {
		if got := a.Kind + " " + a.Subject; got != want[i] {
			t.Errorf("alarm %d is %s, want %s", i, got, want[i])
		}
	}
}

func TestSet(t *testing.T) {
	b := newBoard(t)
	a := api.Alarm{Kind: "backup", Subject: "backup", Severity: Warning, Text: "late", Hint: "hurry"}
	b.Set(true, a)
	got := b.Active()
	if len(got) != 1 {
		t.Fatalf("%v stands", got)
	}
	if a.Since = got[0].Since; got[0] != a {
		t.Errorf("set %+v", got[0])
	}
	b.Set(false, a)
	if got := b.Active(); len(got) != 0 {
		t.Errorf("%v stands", got)
	}
}

func TestDismiss(t *testing.T) {
	b := newBoard(t)
	if _, stood := b.Dismiss("loss", "acme/a/b"); stood {
		t.Error("an alarm stood on an empty board")
	}
	b.Raise("loss", "acme/a/b", Critical, "7 samples", "")
	b.Raise("loss", "acme/a/c", Critical, "8 samples", "")
	if a, stood := b.Dismiss("loss", "acme/a/b"); !stood || a.Text != "7 samples" {
		t.Errorf("dismissed %+v, %v", a, stood)
	}
	if got := b.Active(); len(got) != 1 || got[0].Subject != "acme/a/c" {
		t.Errorf("%v stands", got)
	}
	b.Remind("loss", "acme/a/b", Critical, "7 samples", "")
	if got := b.Active(); len(got) != 1 {
		t.Errorf("what was dismissed is told again: %v", got)
	}
	b.Remind("loss", "acme/a/b", Critical, "9 samples", "")
	if got := b.Active(); len(got) != 2 {
		t.Errorf("another loss is not told: %v", got)
	}
	b.Dismiss("loss", "acme/a/b")
	b.Raise("loss", "acme/a/b", Critical, "7 samples", "")
	if got := b.Active(); len(got) != 2 {
		t.Errorf("an alarm does not come back: %v", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	b := newBoard(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				b.Raise("fork", fmt.Sprint(j%10), Warning, fmt.Sprint(i), "")
				b.Active()
				b.Clear("fork", fmt.Sprint((j+5)%10))
			}
		})
	}
	wg.Wait()
	for i := range 10 {
		b.Clear("fork", fmt.Sprint(i))
	}
	if got := b.Active(); len(got) != 0 {
		t.Errorf("%v stands", got)
	}
}
