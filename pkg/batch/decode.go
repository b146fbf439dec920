package batch

import (
	"encoding/binary"
	"math"

	"go.calms.com/calms/pkg/calms"
)

// reader takes values off data; the first that is not there sets failed, and
// all later ones are zero.
type reader struct {
	data   []byte
	failed bool
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.data) {
		r.failed, r.data = true, nil
		return make([]byte, min(n, 16))
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *reader) byte() byte { return r.bytes(1)[0] }

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	r.skip(n)
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.failed, r.data = true, nil
		return
	}
	r.data = r.data[n:]
}

// count is a uvarint of at most limit.
func (r *reader) count(limit int) int {
	n := r.uvarint()
	if n > uint64(limit) {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *reader) float64() float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(r.bytes(8)))
}

func (r *reader) column(base int64, limit int) Column {
	column := Column{Channel: r.count(math.MaxInt32)}
	n := r.count(limit)
	if n == 0 || r.failed {
		return column
	}
	column.Times = r.times(n, base)
	column.Values = r.values(n)
	column.Qualities = r.qualities(n)
	return column
}

func (r *reader) times(n int, base int64) []int64 {
	switch r.byte() {
	case timesRegular:
		return ramp(n, base+r.varint(), r.varint())
	case timesDeltas:
		return r.sums(n, base)
	}
	r.failed = true
	return nil
}

func ramp(n int, first, interval int64) []int64 {
	times := make([]int64, n)
	for i := range times {
		times[i] = first + int64(i)*interval
	}
	return times
}

// sums reads n deltas; each takes a byte at least, which bounds n.
func (r *reader) sums(n int, base int64) []int64 {
	if n > len(r.data) {
		r.failed = true
		return nil
	}
	sums := make([]int64, n)
	for i := range sums {
		base += r.varint()
		sums[i] = base
	}
	return sums
}

func (r *reader) values(n int) []float64 {
	values := make([]float64, n)
	switch r.byte() {
	case valuesConstant:
		v := r.float64()
		for i := range values {
			values[i] = v
		}
	case valuesDecimal:
		exponent := int(r.byte())
		if exponent > maxExponent {
			r.failed = true
			return nil
		}
		for i, scaled := range r.sums(n, 0) {
			values[i] = unscale(scaled, exponent)
		}
	case valuesFloat32:
		for i := range values {
			values[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(r.bytes(4))))
		}
	case valuesFloat64:
		for i := range values {
			values[i] = r.float64()
		}
	default:
		r.failed = true
	}
	return values
}

func (r *reader) qualities(n int) []calms.Quality {
	if r.byte() != qualityRuns {
		r.failed = true
		return nil
	}
	qualities := make([]calms.Quality, 0, n)
	for len(qualities) < n && !r.failed {
		run := r.count(n - len(qualities))
		quality := calms.Quality(r.byte())
		if run == 0 {
			r.failed = true
		}
		for range run {
			qualities = append(qualities, quality)
		}
	}
	return qualities
}
