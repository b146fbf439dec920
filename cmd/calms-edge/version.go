package main

import (
	"runtime/debug"
	"time"
)

// oldest is a moment before every build, where the compiler noted none.
var oldest = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// buildTime is when the program's source was committed: no true time is before.
func buildTime() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return oldest
	}
	for _, s := range info.Settings {
		if s.Key != "vcs.time" {
			continue
		}
		if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
			return t
		}
	}
	return oldest
}
