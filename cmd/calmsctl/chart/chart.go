// Package chart draws series of measured values as text: a line with the band
// between the least and the greatest value of each slice of time, a value axis
// with round numbers and a time axis in local time. It is a pure function of
// its input.
package chart

import (
	"strings"
	"time"
)

// Bucket is what is known of one slice of the range.
type Bucket struct {
	Count          uint64 // samples with a value; where it is zero the rest means nothing
	Bad            uint64 // samples without one
	Min, Max, Mean float64
}

// Series is one line of a chart: the range in buckets of equal length.
type Series struct {
	Name    string
	Unit    string
	Buckets []Bucket
	Last    *float64 // the newest value, nil where there is none
}

// Options say what the chart shows and where it must fit.
type Options struct {
	From, To time.Time // the range; labels are in From's location
	Width    int       // cells, axis included
	Height   int       // rows of each panel
	Color    bool      // ANSI colours; series of one unit then share a panel
	ASCII    bool      // nothing but ASCII
}

// The smallest chart that can be read, and the left margin: a label of eight
// cells and the axis.
const (
	minWidth  = 32
	minHeight = 3
	gutter    = 10
)

// Buckets is how many buckets fill the chart's width: ask the source for that
// many.
func (o Options) Buckets() int { return o.columns() * o.glyphs().dx }

func (o Options) columns() int { return max(o.Width, minWidth) - gutter }

func (o Options) glyphs() glyphs {
	if o.ASCII {
		return asciiGlyphs
	}
	return brailleGlyphs
}

// Render draws the series. Series of one unit share a panel where colours tell
// them apart; otherwise each has its own. The panels share one time axis. The
// text ends with a newline.
func Render(series []Series, o Options) string {
	panels := group(series, o.Color)
	var out strings.Builder
	for i, members := range panels {
		p := newPanel(members, o)
		p.writeTitle(&out)
		p.writePlot(&out)
		if i < len(panels)-1 {
			out.WriteString("\n")
		}
	}
	newTimeAxis(o).write(&out)
	return trimLines(out.String())
}

// member is a series with its colour.
type member struct {
	Series
	ink ink
}

func group(series []Series, share bool) [][]member {
	var panels [][]member
	byUnit := map[string]int{}
	for i, s := range series {
		m := member{s, palette[i%len(palette)]}
		if at, ok := byUnit[s.Unit]; ok && share {
			panels[at] = append(panels[at], m)
			continue
		}
		byUnit[s.Unit] = len(panels)
		panels = append(panels, []member{m})
	}
	return panels
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}
