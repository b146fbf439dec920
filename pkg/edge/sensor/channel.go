package sensor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// The intervals and timeouts that an instrument may have.
const (
	MinInterval = 100 * time.Millisecond
	MaxInterval = 24 * time.Hour

	DefaultTimeout = time.Second
	MaxTimeout     = time.Minute
)

// Instrument is one thing to read: how, how often, and which of its points.
type Instrument struct {
	Name     string // a path segment; begins the names of its channels
	Driver   Driver
	Interval time.Duration // MinInterval to MaxInterval
	Timeout  time.Duration // for one read; 0 means DefaultTimeout
	Channels []Selection   // none means every point, each under its default name
}

// Selection turns one point into a channel.
type Selection struct {
	Point    string
	Name     string        // empty means <instrument>-<point>
	Interval time.Duration // 0 means the instrument's; else a multiple of it
}

// Kind is the type of a channel's values.
type Kind string

// KindFloat64 is the only kind yet.
const KindFloat64 Kind = "float64"

// Channel describes one measured series.
type Channel struct {
	Name        string // a path segment, unique on the device
	Unit        string
	Description string
	Instrument  string
	Point       string
	Kind        Kind
	Interval    time.Duration
}

// channelsOf lists the channels of one instrument with the index of each one's
// point, after checking what a configuration may get wrong.
func channelsOf(in Instrument) ([]Channel, []int, error) {
	if err := in.check(); err != nil {
		return nil, nil, err
	}
	available := in.Driver.Points()
	selections := in.Channels
	if len(selections) == 0 {
		for _, p := range available {
			selections = append(selections, Selection{Point: p.Name})
		}
	}
	var channels []Channel
	var points []int
	for i, selected := range selections {
		point := slices.IndexFunc(available, func(p Point) bool { return p.Name == selected.Point })
		if point < 0 {
			return nil, nil, invalid("channels[%d].point: no point %q (known: %s)", i, selected.Point, pointNames(available))
		}
		if slices.Contains(points, point) {
			return nil, nil, invalid("channels[%d].point: %q is selected twice", i, selected.Point)
		}
		channel, err := in.channel(selected, available[point])
		if err != nil {
			return nil, nil, calms.Wrap(fmt.Sprintf("channels[%d]", i), err)
		}
		channels, points = append(channels, channel), append(points, point)
	}
	return channels, points, nil
}

func (in Instrument) check() error {
	switch {
	case !isSegment(in.Name):
		return badName("name", in.Name)
	case in.Driver == nil:
		return invalid("driver: is missing")
	case in.Interval < MinInterval || in.Interval > MaxInterval:
		return invalid("interval: %v is not between %v and %v", in.Interval, MinInterval, MaxInterval)
	case in.Timeout < 0 || in.Timeout > MaxTimeout:
		return invalid("timeout: %v is not between 0 and %v", in.Timeout, MaxTimeout)
	}
	return nil
}

func (in Instrument) channel(s Selection, p Point) (Channel, error) {
	c := Channel{
		Name: s.Name, Unit: p.Unit, Description: p.Description,
		Instrument: in.Name, Point: p.Name, Kind: KindFloat64, Interval: s.Interval,
	}
	if c.Name == "" {
		c.Name = in.Name + "-" + p.Name
	}
	if c.Interval == 0 {
		c.Interval = in.Interval
	}
	if !isSegment(c.Name) {
		return Channel{}, badName("name", c.Name)
	}
	if c.Interval < in.Interval || c.Interval > MaxInterval || c.Interval%in.Interval != 0 {
		return Channel{}, invalid("interval: %v is not a multiple of the instrument's %v, up to %v", c.Interval, in.Interval, MaxInterval)
	}
	return c, nil
}

func pointNames(points []Point) string {
	var names []string
	for _, p := range points {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// isSegment reports whether a name may stand as one segment of a path.
func isSegment(name string) bool {
	_, err := calms.ParsePathAt(name, calms.LevelOrganisation)
	return err == nil
}

func badName(field, name string) error {
	return invalid("%s: %q is not a name: use 1 to %d of a-z, 0-9, '-', '_' and '.', beginning with a letter or digit", field, name, calms.MaxSegment)
}

func invalid(format string, args ...any) error {
	return calms.Errorf(calms.KindInvalid, format, args...)
}
