package modbus

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor"
)

// Map says where an instrument keeps its points and how they may be fetched.
type Map struct {
	Registers []Register
	MaxBlock  int  // registers in one request; 0 means the protocol's [MaxBlock]
	MaxHole   int  // unused registers that one request may read between two points
	Single    bool // every point needs a request of its own
}

// MaxBlock is the most registers that the protocol lets one request read.
const MaxBlock = 125

// Function is the function code that reads a register.
type Function uint8

// The function codes that read registers.
const (
	ReadHolding Function = 3
	ReadInput   Function = 4
)

// Type is how the bits of one or more registers are to be understood.
type Type string

// The types.
const (
	Uint16  Type = "uint16"
	Int16   Type = "int16"
	Uint32  Type = "uint32"
	Int32   Type = "int32"
	Uint64  Type = "uint64" // above 2^53 not every number has a float64: the nearest is taken
	Int64   Type = "int64"  // as Uint64
	Float32 Type = "float32"
	Float64 Type = "float64"
)

// Types lists all types.
func Types() []Type {
	return []Type{Uint16, Int16, Uint32, Int32, Uint64, Int64, Float32, Float64}
}

// Words is how many registers a value takes, 0 for an unknown type.
func (t Type) Words() int {
	switch t {
	case Uint16, Int16:
		return 1
	case Uint32, Int32, Float32:
		return 2
	case Uint64, Int64, Float64:
		return 4
	}
	return 0
}

// Signed reports whether the type is a two's complement integer.
func (t Type) Signed() bool { return t == Int16 || t == Int32 || t == Int64 }

// Register is one point's place and form.
type Register struct {
	Point     sensor.Point
	Function  Function
	Address   uint16 // of the first register, from 0, as on the wire
	Type      Type
	LowFirst  bool // the least significant word comes first ("CDAB")
	ByteSwap  bool // the least significant byte of each word comes first ("BADC")
	Scale     float64
	Offset    float64  // value = raw × Scale + Offset
	Invalid   []uint64 // raw bits that mean "no value"
	Low, High float64  // the instrument's stated range, both 0 where it states none
}

// FieldError is a mistake in one field of a [Register]; the field has the name
// that profiles give it.
type FieldError struct{ Field, Msg string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Msg }

// Check reports the first mistake as a [FieldError].
func (r Register) Check() error {
	mistake := func(field, format string, args ...any) error {
		return &FieldError{field, fmt.Sprintf(format, args...)}
	}
	switch words := r.Type.Words(); {
	case words == 0:
		return mistake("type", "%q is not one of %v", r.Type, Types())
	case r.Function != ReadHolding && r.Function != ReadInput:
		return mistake("function", "%d is not 3 (holding registers) or 4 (input registers)", r.Function)
	case int(r.Address)+words > 1<<16:
		return mistake("address", "a %s at %d ends after register 65535", r.Type, r.Address)
	case r.Scale == 0 || !isFinite(r.Scale):
		return mistake("scale", "%v is not a usable factor", r.Scale)
	case !isFinite(r.Offset):
		return mistake("offset", "%v is not a number", r.Offset)
	case !(r.Low <= r.High) || !isFinite(r.Low) || !isFinite(r.High):
		return mistake("range", "%v to %v is not a range", r.Low, r.High)
	}
	for _, raw := range r.Invalid {
		if width := 16 * r.Type.Words(); bits.Len64(raw) > width {
			return mistake("invalid", "%#x has more than the %d bits of a %s", raw, width, r.Type)
		}
	}
	return nil
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// Decode turns the registers of one value into a reading. A slice of the wrong
// length is a BadReply.
func (r Register) Decode(words []uint16) sensor.Reading {
	if len(words) != r.Type.Words() || len(words) == 0 {
		return sensor.BadReading(calms.BadReply)
	}
	return r.Reading(r.Raw(words))
}

// Raw joins registers to the bits of one value.
func (r Register) Raw(words []uint16) uint64 {
	var raw uint64
	for i := range words {
		raw = raw<<16 | uint64(r.swap(words[r.place(i, len(words))]))
	}
	return raw
}

// Words is the inverse of Raw: the registers that carry raw.
func (r Register) Words(raw uint64) []uint16 {
	words := make([]uint16, r.Type.Words())
	for i := range words {
		shift := 16 * (len(words) - 1 - i)
		words[r.place(i, len(words))] = r.swap(uint16(raw >> shift))
	}
	return words
}

// place is where the i-th most significant of n words stands.
func (r Register) place(i, n int) int {
	if r.LowFirst {
		return n - 1 - i
	}
	return i
}

func (r Register) swap(word uint16) uint16 {
	if r.ByteSwap {
		return bits.ReverseBytes16(word)
	}
	return word
}

// Reading is the value that raw stands for. Markers, NaN and infinities are
// BadInvalidValue, values outside the stated range UncertainRange.
func (r Register) Reading(raw uint64) sensor.Reading {
	value := r.scaled(r.number(raw))
	switch {
	case slices.Contains(r.Invalid, raw) || !isFinite(value):
		return sensor.BadReading(calms.BadInvalidValue)
	case r.Low != r.High && (value < r.Low || value > r.High):
		return sensor.Reading{Value: value, Quality: calms.UncertainRange}
	}
	return sensor.Reading{Value: value, Quality: calms.Good}
}

func (r Register) number(raw uint64) float64 {
	switch r.Type {
	case Int16:
		return float64(int16(raw))
	case Int32:
		return float64(int32(raw))
	case Int64:
		return float64(int64(raw))
	case Float32:
		return float64(math.Float32frombits(uint32(raw)))
	case Float64:
		return math.Float64frombits(raw)
	}
	return float64(raw)
}

// scaled leaves the bits alone where there is nothing to do, and divides where
// the factor is one over an integer: 3 × 0.1 is not 0.3, 3 / 10 is.
func (r Register) scaled(v float64) float64 {
	if divisor := math.Round(1 / r.Scale); r.Scale != 1 {
		if 1/divisor == r.Scale {
			v /= divisor
		} else {
			v *= r.Scale
		}
	}
	if r.Offset != 0 {
		v += r.Offset
	}
	return v
}
