//go:build crashpoints

package crash

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

var (
	wanted, passages = parse(os.Getenv("CALMS_CRASH_AT"))
	passed           atomic.Int64
)

func parse(text string) (point string, passages int64) {
	point, count, _ := strings.Cut(text, ":")
	passages, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		passages = 1
	}
	return point, passages
}

// Hook, where set, is called at every point instead. Tests that crash a part of
// their own process panic in it; it must not be set while others run.
var Hook func(point string)

// At is where a crash test may kill the process.
func At(point string) {
	if Hook != nil {
		Hook(point)
		return
	}
	if point != wanted || passed.Add(1) != passages {
		return
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // the signal is on its way
}
