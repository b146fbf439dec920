package sensor

import (
	"context"
	"time"
)

// Clock tells the time that samples are stamped with.
type Clock interface {
	// Mono is the boot's monotonic clock, in nanoseconds. It never goes back
	// and advances at the pace of real time.
	Mono() int64
	// Offset is what to add to Mono to get UTC, in nanoseconds since 1970, and
	// whether that is known. It may change at any time, by any amount.
	Offset() (utcMinusMono int64, known bool)
}

// longestNap bounds one wait, so that a schedule of long intervals notices soon
// that UTC became known or was corrected.
const longestNap = 10 * time.Second

// schedule is the series of moments that are multiples of an interval in UTC,
// or on the monotonic clock while UTC is unknown. Moments are expressed in
// monotonic nanoseconds.
type schedule struct {
	clock    Clock
	interval int64
}

func (s schedule) offset() int64 {
	offset, known := s.clock.Offset()
	if !known {
		return 0
	}
	return offset
}

// first is the earliest moment after start.
func (s schedule) first(start int64) int64 {
	offset := s.offset()
	return (floorDiv(start+offset, s.interval)+1)*s.interval - offset
}

// after is the moment that follows last. It is the one nearest to a whole
// interval later, so that a corrected clock neither repeats a moment nor makes
// a burst of them: the distance stays within half and one and a half intervals.
func (s schedule) after(last int64) int64 {
	return s.number(last+s.interval)*s.interval - s.offset()
}

// number counts the interval's multiples up to the one nearest to t.
func (s schedule) number(t int64) int64 {
	return floorDiv(t+s.offset()+s.interval/2, s.interval)
}

// wait sleeps until the moment that next returns, and returns it; next is asked
// again after every nap. It reports false when ctx ends first, or has ended.
func (s schedule) wait(ctx context.Context, next func() int64) (int64, bool) {
	nap := time.NewTimer(0)
	defer nap.Stop()
	for {
		target := next()
		left := time.Duration(target - s.clock.Mono())
		if left <= 0 {
			return target, ctx.Err() == nil
		}
		nap.Reset(min(left, longestNap))
		select {
		case <-ctx.Done():
			return target, false
		case <-nap.C:
		}
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
