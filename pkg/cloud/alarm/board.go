// Package alarm is the board of active alarms. It is in memory, and forgets when
// the process ends: the fact behind an alarm belongs to the service that saw it.
// Who owns the board raises again at start what those facts still tell.
package alarm

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.calms.com/calms/pkg/api"
)

// The severities.
const (
	Warning  = "warning"  // look at it in working hours
	Critical = "critical" // data is lost, or about to be
)

// Board holds the active alarms, one per kind and subject. It is safe for
// concurrent use and never blocks on anything but its own lock.
type Board struct {
	log *slog.Logger

	mu        sync.Mutex
	active    map[key]api.Alarm // guarded by mu
	dismissed map[fact]bool     // guarded by mu
}

type key struct{ kind, subject string }

// fact is one cause of an alarm.
type fact struct {
	key
	text string
}

// maxDismissed bounds the memory for what was dismissed. Above it all of it is
// forgotten, so that some facts are told again.
const maxDismissed = 10_000

// NewBoard makes an empty board. Every alarm that comes or goes is one line in
// log, so that nobody needs the API to see it.
func NewBoard(log *slog.Logger) *Board {
	return &Board{log: log, active: map[key]api.Alarm{}, dismissed: map[fact]bool{}}
}

// Raise puts an alarm on the board. Where it is there already its text,
// severity and hint are replaced, and it keeps the time since when it stands.
func (b *Board) Raise(kind, subject, severity, text, hint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.raise(kind, subject, severity, text, hint)
}

// raise is called with mu held.
func (b *Board) raise(kind, subject, severity, text, hint string) {
	k := key{kind, subject}
	old, stood := b.active[k]
	since := old.Since
	if !stood {
		since = time.Now().UTC()
		b.log.Error("alarm raised", "kind", kind, "subject", subject, "severity", severity, "text", text, "hint", hint)
	}
	b.active[k] = api.Alarm{Kind: kind, Subject: subject, Severity: severity, Text: text, Hint: hint, Since: since}
}

// Remind is [Board.Raise] for a fact of the past that is told again and again: it
// does nothing where an alarm with this text was dismissed.
func (b *Board) Remind(kind, subject, severity, text, hint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dismissed[fact{key{kind, subject}, text}] {
		b.raise(kind, subject, severity, text, hint)
	}
}

// Clear takes an alarm off the board; it does nothing where there is none.
func (b *Board) Clear(kind, subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{kind, subject}
	if old, stood := b.active[k]; stood {
		b.log.Info("alarm cleared", "kind", kind, "subject", subject, "lasted", time.Since(old.Since).Round(time.Second))
		delete(b.active, k)
	}
}

// Dismiss takes an alarm off the board because somebody has looked, and returns
// it. Whoever finds its cause again raises it again, see also [Board.Remind].
func (b *Board) Dismiss(kind, subject string) (dismissed api.Alarm, stood bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{kind, subject}
	dismissed, stood = b.active[k]
	if stood {
		if len(b.dismissed) >= maxDismissed {
			clear(b.dismissed)
		}
		b.dismissed[fact{k, dismissed.Text}] = true
		delete(b.active, k)
	}
	return dismissed, stood
}

// Set raises the alarm where on says so, and else clears it.
func (b *Board) Set(on bool, a api.Alarm) {
	if on {
		b.Raise(a.Kind, a.Subject, a.Severity, a.Text, a.Hint)
	} else {
		b.Clear(a.Kind, a.Subject)
	}
}

// Active returns what stands on the board: critical first, then by kind and
// subject. The slice is the caller's.
func (b *Board) Active() []api.Alarm {
	b.mu.Lock()
	defer b.mu.Unlock()
	alarms := make([]api.Alarm, 0, len(b.active))
	for _, a := range b.active {
		alarms = append(alarms, a)
	}
	slices.SortFunc(alarms, func(x, y api.Alarm) int {
		return cmp.Or(
			cmp.Compare(x.Severity, y.Severity), // "critical" sorts before "warning"
			cmp.Compare(x.Kind, y.Kind),
			cmp.Compare(x.Subject, y.Subject))
	})
	return alarms
}
