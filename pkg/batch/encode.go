package batch

import (
	"encoding/binary"
	"math"

	"go.calms.com/calms/pkg/calms"
)

// The encodings of a column's parts; numbers are on the wire and on disk.
const (
	timesRegular = 1
	timesDeltas  = 2

	valuesConstant = 1
	valuesDecimal  = 2
	valuesFloat32  = 3
	valuesFloat64  = 4

	qualityRuns = 1
)

// maxExponent is the largest power of ten that is tried for decimal values.
const maxExponent = 6

// maxDecimal bounds scaled values so that they and their deltas stay exact.
const maxDecimal = 1 << 51

func appendColumn(out []byte, c *Column, base int64) []byte {
	out = binary.AppendUvarint(out, uint64(c.Channel))
	out = binary.AppendUvarint(out, uint64(c.Len()))
	if c.Len() == 0 {
		return out
	}
	out = appendTimes(out, c.Times, base)
	out = appendValues(out, c.Values)
	return appendQualities(out, c.Qualities)
}

func appendTimes(out []byte, times []int64, base int64) []byte {
	if interval, ok := regular(times); ok {
		out = binary.AppendVarint(append(out, timesRegular), times[0]-base)
		return binary.AppendVarint(out, interval)
	}
	out = append(out, timesDeltas)
	for _, t := range times {
		out = binary.AppendVarint(out, t-base) // wraps around at the extremes, as its inverse does
		base = t
	}
	return out
}

// regular reports the one interval between all times.
func regular(times []int64) (interval int64, ok bool) {
	if len(times) < 2 {
		return 0, true
	}
	interval = times[1] - times[0]
	for i := 2; i < len(times); i++ {
		if times[i]-times[i-1] != interval {
			return 0, false
		}
	}
	return interval, true
}

func appendValues(out []byte, values []float64) []byte {
	if constant(values) {
		return appendFloat64(append(out, valuesConstant), values[0])
	}
	if exponent, ok := decimal(values); ok {
		return appendDecimal(append(out, valuesDecimal, byte(exponent)), values, exponent)
	}
	if fitsFloat32(values) {
		out = append(out, valuesFloat32)
		for _, v := range values {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v)))
		}
		return out
	}
	out = append(out, valuesFloat64)
	for _, v := range values {
		out = appendFloat64(out, v)
	}
	return out
}

func appendFloat64(out []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
}

func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func constant(values []float64) bool {
	for _, v := range values[1:] {
		if !same(v, values[0]) {
			return false
		}
	}
	return true
}

// decimal finds the smallest exponent with which every value is an integer that
// gives back the same bits.
func decimal(values []float64) (exponent int, ok bool) {
	for _, v := range values {
		for !same(unscale(scale(v, exponent), exponent), v) {
			if exponent++; exponent > maxExponent {
				return 0, false
			}
		}
	}
	// A value that fitted a smaller exponent may not fit the final one.
	for _, v := range values {
		if !same(unscale(scale(v, exponent), exponent), v) {
			return 0, false
		}
	}
	return exponent, true
}

var powersOfTen = [maxExponent + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}

// scale is v·10^exponent, rounded; a value out of bounds becomes one that does
// not come back.
func scale(v float64, exponent int) int64 {
	scaled := math.RoundToEven(v * powersOfTen[exponent])
	if !(math.Abs(scaled) <= maxDecimal) {
		return math.MinInt64
	}
	return int64(scaled)
}

func unscale(scaled int64, exponent int) float64 { return float64(scaled) / powersOfTen[exponent] }

func appendDecimal(out []byte, values []float64, exponent int) []byte {
	previous := int64(0)
	for _, v := range values {
		scaled := scale(v, exponent)
		out = binary.AppendVarint(out, scaled-previous)
		previous = scaled
	}
	return out
}

func fitsFloat32(values []float64) bool {
	for _, v := range values {
		if !same(float64(float32(v)), v) {
			return false
		}
	}
	return true
}

func appendQualities(out []byte, qualities []calms.Quality) []byte {
	out = append(out, qualityRuns)
	for i := 0; i < len(qualities); {
		n := 1
		for i+n < len(qualities) && qualities[i+n] == qualities[i] {
			n++
		}
		out = append(binary.AppendUvarint(out, uint64(n)), byte(qualities[i]))
		i += n
	}
	return out
}
