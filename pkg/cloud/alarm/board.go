// Package alarm is the board of active alarms. The board forgets when the
// process ends: the fact behind an alarm belongs to the service that saw it,
// which raises it again at start.
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

	mu     sync.Mutex
	active map[key]api.Alarm // guarded by mu
}

type key struct{ kind, subject string }

// NewBoard makes an empty board. Every alarm that comes or goes is one line in
// log, so that nobody needs the API to see it.
func NewBoard(log *slog.Logger) *Board {
	return &Board{log: log, active: map[key]api.Alarm{}}
}

// Raise puts an alarm on the board. Where it is there already its text,
// severity and hint are replaced, and it keeps the time since when it stands.
func (b *Board) Raise(kind, subject, severity, text, hint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{kind, subject}
	old, stood := b.active[k]
	since := old.Since
	if !stood {
		since = time.Now().UTC()
		b.log.Error("alarm raised", "kind", kind, "subject", subject, "severity", severity, "text", text, "hint", hint)
	}
	b.active[k] = api.Alarm{Kind: kind, Subject: subject, Severity: severity, Text: text, Hint: hint, Since: since}
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
