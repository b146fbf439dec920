package chart

import (
	"math"
	"strconv"
)

// scale is a value axis: the range of the values and a little more, with ticks
// on round numbers.
type scale struct {
	low, high float64
	step      float64
	decimals  int
	known     bool // false where there is no value to show
}

// rowsPerTick keeps labels apart.
const rowsPerTick = 3

func scaleFor(members []member, rows int) scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, m := range members {
		total := summarise(m.Buckets)
		low, high = min(low, total.Min), max(high, total.Max)
	}
	if low > high {
		return scale{low: 0, high: 1, step: 1}
	}
	if high-low <= 1e-9*math.Abs(high) { // a constant lies in the middle
		margin := max(math.Abs(high)*0.05, 1e-6)
		if high == 0 {
			margin = 1
		}
		low, high = low-margin, high+margin
	}
	margin := (high - low) * 0.03
	s := scale{low: low - margin, high: high + margin, known: true}
	s.step = tickStep(s.high-s.low, rows)
	s.decimals = decimalsOf(s.step)
	return s
}

// tickStep keeps ticks some rows apart, and at least two of them in the range.
func tickStep(length float64, rows int) float64 {
	step := niceStep(length / float64(max(1, rows/rowsPerTick)))
	for smaller := step; step > length/2; step = niceStep(smaller) {
		smaller *= 0.7
	}
	return step
}

// niceStep is the least of 1, 2, 2.5 and 5 times a power of ten that is at least
// about the given step.
func niceStep(step float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, factor := range []float64{1, 2, 2.5, 5} {
		if step <= factor*power*1.15 {
			return factor * power
		}
	}
	return 10 * power
}

// decimalsOf is how many decimals show the multiples of a step exactly.
func decimalsOf(step float64) int {
	for decimals := range 12 {
		scaled := step * math.Pow(10, float64(decimals))
		if math.Abs(scaled-math.Round(scaled)) < 1e-6 {
			return decimals
		}
	}
	return 12
}

func (s scale) ticks() []float64 {
	var ticks []float64
	for n := math.Ceil(s.low / s.step); n*s.step <= s.high; n++ {
		ticks = append(ticks, n*s.step)
	}
	return ticks
}

// label is a tick's text, at most as wide as the margin.
func (s scale) label(value float64) string { return s.text(value, s.decimals) }

// precise is a value's text, one digit finer than the ticks.
func (s scale) precise(value float64) string { return s.text(value, s.decimals+1) }

func (s scale) text(value float64, decimals int) string {
	if math.Abs(value) < s.step*1e-9 {
		value = 0 // no "-0" and no remainder of adding steps up
	}
	text := strconv.FormatFloat(value, 'f', decimals, 64)
	if len(text) > gutter-2 {
		text = strconv.FormatFloat(value, 'g', 3, 64)
	}
	return text
}
