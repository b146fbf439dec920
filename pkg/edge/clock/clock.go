package clock

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

const (
	// step is how far the wall clock must have been set before a new offset
	// comes into force.
	step = 500 * time.Millisecond
	// noise is how far two looks at the clocks may differ though nothing was set.
	noise = time.Millisecond
	// finest is the error below which a better one is not worth an anchor.
	finest = time.Millisecond

	checkEvery = 5 * time.Second
	floorEvery = time.Hour
)

// Config of a clock. Dir and Log are needed.
type Config struct {
	Dir   string    // where offset and floor are kept; it must exist
	Build time.Time // of the program: no true time is before it
	Log   *slog.Logger

	Read func() (Reading, error) // default [Read]
	Boot [16]byte                // zero is the kernel's
}

// Clock is the time of one boot. All methods are safe for concurrent use.
type Clock struct {
	config Config
	boot   [16]byte
	start  int64 // Mono at Open, and base is the time.Time of that moment
	base   time.Time

	mu    sync.Mutex
	force *force // guarded by mu; nil while UTC is unknown
	floor floor  // guarded by mu
	state Status // guarded by mu
}

// Status is what the clock knows.
type Status struct {
	Known  bool          `json:"known"`  // UTC is known
	Synced bool          `json:"synced"` // something keeps the wall clock right
	Error  time.Duration `json:"error"`  // bound of the error of the offset in force, nanoseconds
	Away   time.Duration `json:"away"`   // wall clock minus the time in force
	Floor  time.Time     `json:"floor"`  // no true time is before it
	Boot   string        `json:"boot"`
}

// Open begins with what an earlier process of the same boot left, and looks at
// the clocks once.
func Open(config Config) (*Clock, error) {
	if config.Read == nil {
		config.Read = Read
	}
	c := &Clock{config: config, boot: config.Boot}
	var err error
	if c.boot == ([16]byte{}) {
		if c.boot, err = readBoot(); err != nil {
			return nil, err
		}
	}
	r, err := config.Read()
	if err != nil {
		return nil, err
	}
	c.start, c.base = r.Mono, time.Now()
	c.floor = loadFloor(config)
	c.force = loadForce(config, c.boot)
	return c, c.Check()
}

// Boot is the random id of this boot.
func (c *Clock) Boot() [16]byte { return c.boot }

// Mono is nanoseconds of the boot's monotonic clock.
func (c *Clock) Mono() int64 {
	if r, err := c.config.Read(); err == nil {
		return r.Mono
	}
	// The kernel answered at Open; should it refuse now, Go's clock goes on.
	return c.start + int64(time.Since(c.base))
}

// Offset is UTC minus Mono as it is in force, and whether it is known.
func (c *Clock) Offset() (utcMinusMono int64, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.force == nil {
		return 0, false
	}
	return c.force.Offset, true
}

// Anchor is the anchor in force, as the journal must have it before a batch
// that was stamped under it; false while UTC is unknown.
func (c *Clock) Anchor() (wire.Anchor, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.force == nil {
		return wire.Anchor{}, false
	}
	return wire.Anchor{Boot: c.boot, Mono: c.force.Mono, UTC: c.force.Mono + c.force.Offset, Error: c.force.Error}, true
}

// Now is the best guess at the time: never below the floor, so that no
// certificate is judged by a clock that has forgotten everything.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.force != nil {
		if r, err := c.config.Read(); err == nil {
			now = time.Unix(0, r.Mono+c.force.Offset)
		}
	}
	if now.Before(c.floor.at) {
		return c.floor.at
	}
	return now
}

// Status tells what the clock knows.
func (c *Clock) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	s.Floor, s.Boot, s.Known = c.floor.at, bootText(c.boot), c.force != nil
	if c.force != nil {
		s.Error = time.Duration(c.force.Error)
	}
	return s
}

// Check looks at the wall clock and puts a new offset in force where that is
// better. The error says that what is in force could not be kept on disk; it is
// in force nevertheless.
func (c *Clock) Check() error {
	r, err := c.config.Read()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Synced = r.Synced
	c.floor.advance(r)
	if r.UTC < c.floor.at.UnixNano() {
		c.state.Away = 0
		return nil // no clock, or one that has lost its battery
	}
	next := c.force.consider(r)
	if next == nil {
		c.state.Away = time.Duration(r.UTC - r.Mono - c.force.Offset)
		return nil
	}
	c.state.Away = time.Duration(r.UTC - r.Mono - next.Offset)
	c.config.Log.Info("time is known", "utc", time.Unix(0, r.Mono+next.Offset).UTC(), "error", time.Duration(next.Error), "synced", next.Synced)
	c.force = next
	return calms.Wrap("keep time", next.save(c.config, c.boot))
}

// Run looks at the wall clock now and then, and keeps the floor on disk, until
// ctx ends.
func (c *Clock) Run(ctx context.Context) error {
	check, keep := time.NewTicker(checkEvery), time.NewTicker(floorEvery)
	defer check.Stop()
	defer keep.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-check.C:
			c.warn(c.Check())
		case <-keep.C:
			c.warn(c.KeepFloor())
		}
	}
}

func (c *Clock) warn(err error) {
	if err != nil {
		c.config.Log.Warn("clock", "error", err)
	}
}

// KeepFloor writes the floor to disk.
func (c *Clock) KeepFloor() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.floor.save(c.config)
}

// remove deletes a file of an earlier boot; one that stays does no harm.
func remove(path string) { _ = os.Remove(path) }
