package clock

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"go.calms.com/calms/pkg/durable"
)

// force is the offset in force and how it was got.
type force struct {
	Mono   int64 // when it was got
	Offset int64 // UTC minus Mono
	Error  int64 // bound, nanoseconds
	Synced bool
}

// consider returns what a reading puts in force, nil where things stay. The
// cloud believes the smallest error, the first of equal ones, so what comes into
// force always has a smaller one than what was.
func (f *force) consider(r Reading) *force {
	next := &force{Mono: r.Mono, Offset: r.UTC - r.Mono, Error: int64(r.Error), Synced: r.Synced}
	if f == nil {
		return next
	}
	away := next.Offset - f.Offset
	switch {
	case next.Error <= f.Error/2 && next.Error < f.Error-int64(finest):
		if abs(away) < int64(noise) {
			// The same time, known better: moments that were aligned stay so.
			next.Offset, next.Error = f.Offset, next.Error+abs(away)
		}
		return next
	case abs(away) > int64(step) && (r.Synced || !f.Synced) && f.Error > 0:
		// The clock was set by somebody who knows at least as well as the one
		// before: that overrules what was said before.
		next.Error = min(next.Error, f.Error-1)
		return next
	}
	return nil
}

func abs(n int64) int64 { return max(n, -n) }

const (
	forceName    = "clock.json"
	forceVersion = 1
)

// forceFile is the content of clock.json.
type forceFile struct {
	Version int    `json:"version"`
	Boot    string `json:"boot"`
	Mono    int64  `json:"mono"`
	Offset  int64  `json:"offset"`
	Error   int64  `json:"error"`
	Synced  bool   `json:"synced"`
}

func bootText(boot [16]byte) string { return hex.EncodeToString(boot[:]) }

// loadForce is what an earlier process of the same boot left. Anything else is
// as good as nothing: the clocks are looked at again.
func loadForce(config Config, boot [16]byte) *force {
	path := filepath.Join(config.Dir, forceName)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var f forceFile
	if json.Unmarshal(text, &f) != nil || f.Version != forceVersion || f.Boot != bootText(boot) {
		remove(path)
		return nil
	}
	return &force{f.Mono, f.Offset, f.Error, f.Synced}
}

func (f *force) save(config Config, boot [16]byte) error {
	text, err := json.Marshal(forceFile{forceVersion, bootText(boot), f.Mono, f.Offset, f.Error, f.Synced})
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(config.Dir, forceName), text, 0o600)
}

// floor is a time that has passed for certain.
type floor struct {
	at   time.Time
	mono int64 // when at was the floor; 0 before the first reading
}

const floorName = "time-floor"

func loadFloor(config Config) floor {
	f := floor{at: config.Build}
	text, err := os.ReadFile(filepath.Join(config.Dir, floorName))
	if err != nil {
		return f
	}
	if kept, err := time.Parse(time.RFC3339Nano, string(text)); err == nil && kept.After(f.at) {
		f.at = kept
	}
	return f
}

// advance lifts the floor: to the wall clock where something keeps that right,
// else by the time that has passed, so that a clock set wrong by hand does not
// shut out the true time for ever.
func (f *floor) advance(r Reading) {
	if f.mono != 0 && r.Mono > f.mono {
		f.at = f.at.Add(time.Duration(r.Mono - f.mono))
	}
	f.mono = r.Mono
	if wall := time.Unix(0, r.UTC).Add(-r.Error); r.Synced && wall.After(f.at) {
		f.at = wall
	}
}

func (f *floor) save(config Config) error {
	return durable.WriteFile(filepath.Join(config.Dir, floorName), []byte(f.at.UTC().Format(time.RFC3339Nano)), 0o600)
}
