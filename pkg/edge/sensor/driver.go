package sensor

import (
	"context"
	"math"

	"go.calms.com/calms/pkg/calms"
)

// Point is one quantity that an instrument offers.
type Point struct {
	Name        string // a path segment, such as "flow"
	Unit        string // as written for people: "m³/h"; empty where there is none
	Description string
}

// Reading is what an instrument answered for one point. A bad reading's value
// is NaN.
type Reading struct {
	Value   float64
	Quality calms.Quality
}

// BadReading is a reading without a value.
func BadReading(reason calms.Quality) Reading {
	return Reading{Value: math.NaN(), Quality: reason}
}

// Driver reads one instrument over one protocol. Its methods are called by one
// goroutine at a time. Package sensortest holds the suite that each
// implementation must pass.
//
// A protocol that pushes its values keeps the newest ones and answers Read from
// them, [calms.UncertainStale] where they have grown old.
type Driver interface {
	// Points lists what the instrument offers. The list and its order never
	// change; indexes into it name points everywhere else.
	Points() []Point

	// Read asks for the points with these indexes (each at most once) and sets
	// into[i] for points[i]; both slices have one length. Every reading is set
	// whatever happens, a failure as a quality: BadNotConnected without a
	// connection, BadTimeout without an answer in time, BadRefused when the
	// instrument answers with an error, BadReply when the answer makes no sense,
	// BadInvalidValue when the value is the instrument's marker for "none".
	//
	// Read connects and reconnects by itself, returns soon after ctx is done,
	// and never takes a late or foreign answer for the one it waits for. The
	// error tells people why readings are bad (the first reason met); it adds
	// nothing to the qualities and is nil when none is bad.
	Read(ctx context.Context, points []int, into []Reading) error

	// Close ends the connection. A closed driver reads BadNotConnected for ever;
	// closing it again does nothing.
	Close() error
}
