package sensor

import (
	"slices"
	"sync"

	"go.calms.com/calms/pkg/calms"
)

// Group is the samples of one batch interval, ready to be encoded. A sample that
// was read only after its interval's end comes in the following group, so that
// groups may overlap in time; the times of one channel only grow.
type Group struct {
	First, Last int64    // earliest and latest time in it, monotonic nanoseconds
	Columns     []Column // only channels that have samples, in the order of Channels
}

// Samples counts what the group holds.
func (g Group) Samples() int {
	n := 0
	for _, c := range g.Columns {
		n += len(c.Times)
	}
	return n
}

// Column is the samples of one channel: three slices of one length, in the
// order of time. Times are the scheduled ones, in monotonic nanoseconds of this
// boot. Values of bad quality are NaN.
type Column struct {
	Channel   int // index into Sampler.Channels
	Times     []int64
	Values    []float64
	Qualities []calms.Quality
}

// collector gathers the samples of all instruments into the open group.
type collector struct {
	limit int         // samples in one group
	hand  func(Group) // takes a finished group; must not block

	mu     sync.Mutex
	open   []Column       // mu; one per channel
	count  int            // mu; samples in open
	newest []calms.Sample // mu; one per channel
	known  []bool         // mu; whether newest is a sample yet
}

func newCollector(channels, limit int, hand func(Group)) *collector {
	c := &collector{
		limit: limit, hand: hand,
		open: make([]Column, channels), newest: make([]calms.Sample, channels), known: make([]bool, channels),
	}
	for i := range c.open {
		c.open[i].Channel = i
	}
	return c
}

// record adds one tick of one instrument. A group that would outgrow its limit
// goes out before its time.
func (c *collector) record(t int64, channels []int, readings []Reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count+len(channels) > c.limit {
		c.cut(func(Column) int { return -1 })
	}
	for i, channel := range channels {
		col, r := &c.open[channel], readings[i]
		col.Times = append(col.Times, t)
		col.Values = append(col.Values, r.Value)
		col.Qualities = append(col.Qualities, r.Quality)
		c.newest[channel], c.known[channel] = calms.Sample{Time: t, Value: r.Value, Quality: r.Quality}, true
	}
	c.count += len(channels)
}

// flush hands over everything scheduled before a boundary.
func (c *collector) flush(boundary int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut(func(col Column) int {
		n, _ := slices.BinarySearch(col.Times, boundary)
		return n
	})
}

// flushAll hands over everything.
func (c *collector) flushAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut(func(Column) int { return -1 })
}

// cut hands over the first upTo samples of each column, all where upTo is -1.
// The caller holds mu.
func (c *collector) cut(upTo func(Column) int) {
	var g Group
	for i := range c.open {
		n := upTo(c.open[i])
		if n < 0 {
			n = len(c.open[i].Times)
		}
		if n > 0 {
			g.add(c.open[i].split(n))
		}
	}
	if len(g.Columns) == 0 {
		return
	}
	c.count -= g.Samples()
	c.hand(g)
}

// split takes the first n samples off the column.
func (c *Column) split(n int) Column {
	head := Column{c.Channel, c.Times[:n:n], c.Values[:n:n], c.Qualities[:n:n]}
	c.Times, c.Values, c.Qualities = slices.Clone(c.Times[n:]), slices.Clone(c.Values[n:]), slices.Clone(c.Qualities[n:])
	return head
}

func (g *Group) add(c Column) {
	first, last := c.Times[0], c.Times[len(c.Times)-1]
	if len(g.Columns) == 0 {
		g.First, g.Last = first, last
	}
	g.First, g.Last = min(g.First, first), max(g.Last, last)
	g.Columns = append(g.Columns, c)
}

func (c *collector) newestOf(channel int) (calms.Sample, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest[channel], c.known[channel]
}
