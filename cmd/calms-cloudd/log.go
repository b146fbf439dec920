package main

import (
	"context"
	"io"
	"log/slog"

	"go.calms.com/calms/pkg/daemon"
)

// newLog logs as the settings say, from a level on that may change.
func newLog(w io.Writer, c config, level *slog.LevelVar) (*slog.Logger, error) {
	all, err := daemon.Logger(w, "debug", c.Log.Format)
	if err != nil {
		return nil, err
	}
	setLevel(level, c)
	return slog.New(leveled{all.Handler(), level}), nil
}

func setLevel(level *slog.LevelVar, c config) {
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		level.Set(slog.LevelInfo) // cannot be: the settings were checked
	}
}

// leveled passes on what is at or above a level.
type leveled struct {
	slog.Handler
	level slog.Leveler
}

// Enabled implements [slog.Handler].
func (l leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level.Level() }

// WithAttrs implements [slog.Handler].
func (l leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{l.Handler.WithAttrs(attrs), l.level}
}

// WithGroup implements [slog.Handler].
func (l leveled) WithGroup(name string) slog.Handler {
	return leveled{l.Handler.WithGroup(name), l.level}
}
