package main

import (
	"runtime/debug"
	"time"
)

// version is set by the linker (-X main.version=…) where the build knows it.
var version string

// versionText is the version of the program, from the linker or from the module
// and the repository's state that the compiler noted.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

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
