package main

import "runtime/debug"

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
