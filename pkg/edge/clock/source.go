package clock

import (
	"encoding/hex"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"go.calms.com/calms/pkg/calms"
)

// Reading is one look at the machine's clocks.
type Reading struct {
	Mono   int64         // nanoseconds of the boot's monotonic clock, which counts through suspend
	UTC    int64         // nanoseconds since 1970, as the wall clock has it
	Error  time.Duration // bound of UTC's error
	Synced bool          // the kernel knows that something keeps the wall clock right
}

// unsyncedError is the nominal bound of a wall clock that nobody keeps right:
// a hand-set or battery-backed clock is seldom more than this away.
const unsyncedError = time.Hour

// Read looks at the kernel's clocks: CLOCK_BOOTTIME, CLOCK_REALTIME and the
// error bound of adjtimex(2).
func Read() (Reading, error) {
	before, err := Mono()
	if err != nil {
		return Reading{}, err
	}
	var wall unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &wall); err != nil {
		return Reading{}, calms.Wrap("read wall clock", err)
	}
	after, err := Mono()
	if err != nil {
		return Reading{}, err
	}
	r := Reading{Mono: before + (after-before)/2, UTC: wall.Nano(), Error: unsyncedError}
	var state unix.Timex
	if _, err := unix.Adjtimex(&state); err != nil {
		return r, nil // some containers forbid even to look: then nothing is known
	}
	if state.Status&unix.STA_UNSYNC == 0 {
		r.Synced = true
		r.Error = time.Duration(state.Maxerror)*time.Microsecond + time.Duration(after-before)
	}
	return r, nil
}

// Mono is CLOCK_BOOTTIME in nanoseconds.
func Mono() (int64, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, calms.Wrap("read monotonic clock", err)
	}
	return t.Nano(), nil
}

const bootIDFile = "/proc/sys/kernel/random/boot_id"

// readBoot is the kernel's random id of this boot.
func readBoot() (boot [16]byte, err error) {
	text, err := os.ReadFile(bootIDFile)
	if err != nil {
		return boot, calms.Wrap("read boot id", err)
	}
	return parseBoot(string(text))
}

func parseBoot(text string) (boot [16]byte, err error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), "-", ""))
	if err != nil || len(raw) != len(boot) {
		return boot, calms.Errorf(calms.KindInternal, "boot id %.40q is no UUID", text)
	}
	return [16]byte(raw), nil
}
