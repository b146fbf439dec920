package simulate

import (
	"math"
	"math/rand/v2"
	"time"

	"go.calms.com/calms/pkg/edge/sensor/modbus"
	"go.calms.com/calms/pkg/edge/sensor/profile"
)

// levels is how finely a walk divides its range. Within one level each value is
// the number that follows the one given there before.
const levels = 1024

// walk makes the values of one point: a slow wave with a little noise, or a
// counter, every time another number.
type walk struct {
	register modbus.Register
	counter  bool
	first    int64    // ordinal of the lowest value
	last     int64    // ordinal of the highest value
	starts   []int64  // ordinal at which each level begins, and the end of the last
	used     []uint64 // numbers given in each level
	period   time.Duration
	phase    float64
	noise    *rand.Rand
}

func newWalk(r modbus.Register, h profile.Habit, noise *rand.Rand) *walk {
	w := &walk{
		register: r, counter: h.Counter, noise: noise, phase: 2 * math.Pi * noise.Float64(),
		period: 90*time.Second + time.Duration(noise.Int64N(int64(90*time.Second))),
		first:  ordinalOf(r, h.Low), last: ordinalOf(r, h.High),
	}
	if w.counter {
		w.starts = []int64{w.first, max(w.last, w.first) + 1}
	} else {
		for i := range levels + 1 {
			w.starts = append(w.starts, ordinalOf(r, h.Low+(h.High-h.Low)*float64(i)/levels))
		}
		w.starts[levels] = max(w.starts[levels], w.starts[0]) + 1
	}
	w.used = make([]uint64, len(w.starts)-1)
	return w
}

// next is the bits of the value after this much time. Bits that mean "no value"
// are passed over.
func (w *walk) next(elapsed time.Duration) uint64 {
	level := w.free(w.level(elapsed))
	raw := fromOrdinal(w.register.Type, w.starts[level]+int64(w.used[level]))
	w.used[level]++
	if w.register.Reading(raw).Quality.IsBad() && w.used[level] < w.size(level) {
		return w.next(elapsed)
	}
	return raw
}

func (w *walk) level(elapsed time.Duration) int {
	if w.counter {
		return 0
	}
	turn := 2*math.Pi*float64(elapsed)/float64(w.period) + w.phase
	height := 0.5 + 0.35*math.Sin(turn) + 0.1*math.Sin(3.7*turn) + 0.02*w.noise.NormFloat64()
	return min(max(int(height*levels), 0), levels-1)
}

// free is the level itself or the nearest above, around the end, that has
// numbers left. When none has, all begin again.
func (w *walk) free(level int) int {
	for i := range len(w.used) {
		candidate := (level + i) % len(w.used)
		if w.used[candidate] < w.size(candidate) {
			return candidate
		}
	}
	clear(w.used)
	if w.size(level) > 0 {
		return level
	}
	return w.free(level)
}

// size is how many numbers a level has; those of a float64 overflow an int64.
func (w *walk) size(level int) uint64 { return uint64(w.starts[level+1] - w.starts[level]) }

// ordinalOf places a value's bits in an order in which the next larger number
// of the type is one further.
func ordinalOf(r modbus.Register, value float64) int64 {
	v := (value - r.Offset) / r.Scale
	switch r.Type {
	case modbus.Float32:
		bits := int64(math.Float32bits(float32(clampFloat(v, math.MaxFloat32))))
		if bits&(1<<31) != 0 {
			return -(bits &^ (1 << 31))
		}
		return bits
	case modbus.Float64:
		bits := math.Float64bits(clampFloat(v, math.MaxFloat64))
		if bits&(1<<63) != 0 {
			return -int64(bits &^ (1 << 63))
		}
		return int64(bits)
	}
	low, high := limits(r.Type)
	return int64(math.Round(min(max(v, low), high)))
}

func clampFloat(v, limit float64) float64 { return min(max(v, -limit), limit) }

// limits is what an integer type holds, within what an int64 and a float64 can
// both count.
func limits(t modbus.Type) (low, high float64) {
	width := min(16*t.Words(), 53)
	if t.Signed() {
		return -math.Ldexp(1, width-1), math.Ldexp(1, width-1) - 1
	}
	return 0, math.Ldexp(1, width) - 1
}

func fromOrdinal(t modbus.Type, ordinal int64) uint64 {
	switch {
	case t == modbus.Float32 && ordinal < 0:
		return uint64(-ordinal) | 1<<31
	case t == modbus.Float64 && ordinal < 0:
		return uint64(-ordinal) | 1<<63
	}
	return uint64(ordinal) & (math.MaxUint64 >> (64 - 16*t.Words()))
}
