package chart

import (
	"strings"
	"time"
	"unicode/utf8"
)

// step is a distance between ticks of the time axis: seconds, days or months,
// counted on the local clock and calendar.
type step struct {
	seconds, days, months int
	layout                string
}

func (s step) length() time.Duration {
	return time.Duration(s.seconds)*time.Second + time.Duration(s.days+30*s.months)*24*time.Hour
}

func steps() []step {
	var all []step
	for _, n := range []int{1, 2, 5, 10, 15, 30} {
		all = append(all, step{seconds: n, layout: "15:04:05"})
	}
	for _, n := range []int{1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720} {
		all = append(all, step{seconds: n * 60, layout: "15:04"})
	}
	for _, n := range []int{1, 2, 7, 14} {
		all = append(all, step{days: n, layout: "Jan 2"})
	}
	for _, n := range []int{1, 3, 6, 12, 60, 120, 600} {
		all = append(all, step{months: n, layout: "Jan 2006"})
	}
	return all
}

// timeAxis is the bottom of a chart: the line, the labels, and the dates where
// labels tell only the time of day.
type timeAxis struct {
	o    Options
	step step
}

func newTimeAxis(o Options) timeAxis {
	const apart = 4 // cells between labels
	all := steps()
	for _, s := range all {
		cells := float64(o.columns()) * float64(s.length()) / float64(max(1, o.To.Sub(o.From)))
		if cells >= float64(len(s.layout)+apart) {
			return timeAxis{o, s}
		}
	}
	return timeAxis{o, all[len(all)-1]}
}

// ticks are the round times inside the range.
func (a timeAxis) ticks() []time.Time {
	from := a.o.From
	year, month, day := from.Date()
	var ticks []time.Time
	for k := a.first(); ; k++ {
		var at time.Time
		switch {
		case a.step.months > 0:
			at = time.Date(year, time.January+time.Month(k*a.step.months), 1, 0, 0, 0, 0, from.Location())
		case a.step.days > 0:
			at = time.Date(year, month, day+k*a.step.days, 0, 0, 0, 0, from.Location())
		default:
			at = time.Date(year, month, day, 0, 0, k*a.step.seconds, 0, from.Location())
		}
		if !at.Before(a.o.To) {
			return ticks
		}
		if !at.Before(from) {
			ticks = append(ticks, at)
		}
	}
}

// first is a step number shortly before the range: fine steps are counted from
// midnight, which may be 86,400 of them away.
func (a timeAxis) first() int {
	if a.step.seconds == 0 {
		return 0
	}
	hour, minute, second := a.o.From.Clock()
	return (hour*3600 + minute*60 + second) / a.step.seconds
}

func (a timeAxis) column(at time.Time) int {
	return int(float64(a.o.columns()) * float64(at.Sub(a.o.From)) / float64(a.o.To.Sub(a.o.From)))
}

func (a timeAxis) write(out *strings.Builder) {
	corner, dash, mark := "└", "─", "┬"
	if a.o.ASCII {
		corner, dash, mark = "+", "-", "+"
	}
	line := strings.Split(strings.Repeat(dash, a.o.columns()), "")
	labels, dates := newLabels(a.o), newLabels(a.o)
	dates.put(0, a.o.From.Format("2006-01-02"), false)
	for _, at := range a.ticks() {
		column := a.column(at)
		line[column] = mark
		labels.put(column, at.Format(a.step.layout), true)
		if midnight(at) {
			dates.put(column, at.Format("2006-01-02"), true)
		}
	}
	out.WriteString(faint.on(a.o.Color) + strings.Repeat(" ", gutter-1) + corner + strings.Join(line, "") + "\n")
	out.WriteString(labels.text(truncate(a.o.From.Format("MST"), gutter-2)) + "\n")
	if a.step.seconds > 0 {
		out.WriteString(dates.text("") + "\n")
	}
	out.WriteString(faint.off(a.o.Color))
}

func midnight(t time.Time) bool {
	hour, minute, second := t.Clock()
	return hour == 0 && minute == 0 && second == 0
}

// labels is a line of texts that never touch each other.
type labels struct {
	cells []rune
	end   int // first cell that is free
}

func newLabels(o Options) *labels {
	return &labels{cells: []rune(strings.Repeat(" ", gutter+o.columns()))}
}

// put writes a text at a column, or centred on it, unless there is no room.
func (l *labels) put(column int, text string, centred bool) {
	at, width := gutter+column, utf8.RuneCountInString(text)
	if centred {
		at -= width / 2
	}
	if at < max(l.end, gutter-1) || at+width > len(l.cells) {
		return
	}
	copy(l.cells[at:], []rune(text))
	l.end = at + width + 2
}

// text is the line, with a word in the left margin.
func (l *labels) text(margin string) string {
	line := string(l.cells)
	if margin != "" {
		line = strings.Repeat(" ", gutter-2-utf8.RuneCountInString(margin)) + margin + string(l.cells[gutter-2:])
	}
	return strings.TrimRight(line, " ")
}
