package chart

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// panel is one value axis with the series that share it.
type panel struct {
	members []member
	o       Options
	scale   scale
	canvas  *canvas
}

func newPanel(members []member, o Options) *panel {
	rows := max(minHeight, o.Height)
	p := &panel{members: members, o: o, scale: scaleFor(members, rows)}
	p.canvas = newCanvas(o.columns(), rows, o.glyphs())
	for _, m := range members {
		p.trace(m)
	}
	return p
}

// trace draws one series: the band of each bucket, and the line through their
// means, which is broken where data is missing.
func (p *panel) trace(m member) {
	breaks := gaps(m.Buckets)
	lastX, lastY := -1, 0
	for i, b := range m.Buckets {
		if b.Count == 0 {
			continue
		}
		x := i * p.canvas.width() / len(m.Buckets)
		y := p.dot(b.Mean)
		p.canvas.vertical(x, p.dot(b.Max), p.dot(b.Min), m.ink, false)
		if lastX >= 0 && !breaks[i] {
			p.canvas.line(lastX, lastY, x, y, m.ink)
		}
		p.canvas.set(x, y, m.ink, true)
		lastX, lastY = x, y
	}
}

func (p *panel) dot(value float64) int {
	share := (p.scale.high - value) / (p.scale.high - p.scale.low)
	return int(share*float64(p.canvas.height()-1) + 0.5)
}

// writeTitle gives the unit above its axis, and of every series the name and
// what matters of it.
func (p *panel) writeTitle(out *strings.Builder) {
	paint := painter(p.o.Color)
	unit := p.members[0].Unit
	for _, m := range p.members {
		fmt.Fprintf(out, "%s%*s%s  ", faint.on(p.o.Color), gutter-2, truncate(p.label(unit), gutter-2), faint.off(p.o.Color))
		unit = ""
		stats := p.stats(m)
		out.WriteString(paint(m.ink.bold(), m.Name))
		if gutter+utf8.RuneCountInString(m.Name)+3+utf8.RuneCountInString(stats) > max(p.o.Width, minWidth) {
			out.WriteString("\n" + strings.Repeat(" ", gutter-3))
		}
		out.WriteString("   " + stats + "\n")
	}
}

// label makes a text safe for a chart that must be ASCII.
func (p *panel) label(text string) string {
	if !p.o.ASCII {
		return text
	}
	text = strings.NewReplacer("³", "3", "²", "2", "°", "", "µ", "u", "Ω", "Ohm", "·", "*").Replace(text)
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, text)
}

func (p *panel) stats(m member) string {
	total := summarise(m.Buckets)
	if total.Count == 0 {
		return "no data" + badCount(total.Bad)
	}
	text := ""
	if m.Last != nil {
		text = "last " + p.scale.precise(*m.Last) + "  "
	}
	return text + fmt.Sprintf("min %s  max %s  mean %s%s",
		p.scale.precise(total.Min), p.scale.precise(total.Max), p.scale.precise(total.Mean), badCount(total.Bad))
}

func badCount(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("  %d bad", n)
}

func (p *panel) writePlot(out *strings.Builder) {
	labels := map[int]string{}
	if p.scale.known {
		for _, tick := range p.scale.ticks() {
			labels[p.dot(tick)/p.canvas.dy] = p.scale.label(tick)
		}
	}
	wall, mark := "│", "┤"
	if p.o.ASCII {
		wall, mark = "|", "+"
	}
	for row := range p.canvas.rows {
		label, edge := labels[row], wall
		if label != "" {
			edge = mark
		}
		fmt.Fprintf(out, "%s%*s %s%s", faint.on(p.o.Color), gutter-2, label, edge, faint.off(p.o.Color))
		p.canvas.writeRow(out, row, p.o.Color)
		out.WriteString("\n")
	}
}

func truncate(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n])
}
