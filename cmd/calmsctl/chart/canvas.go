package chart

import "strings"

// glyphs is a way to put several dots into one character cell.
type glyphs struct {
	dx, dy int // dots per cell
	draw   func(bits uint8) string
}

// A cell's dots are bits, column after column from the top: 0 to 3, 4 to 7.
const dotRows = 4

var brailleGlyphs = glyphs{dx: 2, dy: 4, draw: func(bits uint8) string {
	// Unicode numbers the dots 1-3, 7 of the left column and 4-6, 8 of the right.
	order := [8]uint8{0x01, 0x02, 0x04, 0x40, 0x08, 0x10, 0x20, 0x80}
	var pattern rune
	for i, value := range order {
		if bits&(1<<i) != 0 {
			pattern |= rune(value)
		}
	}
	return string(rune(0x2800) + pattern)
}}

var asciiGlyphs = glyphs{dx: 1, dy: 2, draw: func(bits uint8) string {
	return [4]string{" ", "'", ".", ":"}[bits&3]
}}

// canvas is a raster of dots. A cell has one ink: of the line where one runs
// through it, else of the band.
type canvas struct {
	glyphs
	columns, rows int
	cells         []cell
}

type cell struct {
	bits uint8
	line bool
	ink  ink
}

func newCanvas(columns, rows int, g glyphs) *canvas {
	return &canvas{glyphs: g, columns: columns, rows: rows, cells: make([]cell, columns*rows)}
}

func (c *canvas) width() int  { return c.columns * c.dx }
func (c *canvas) height() int { return c.rows * c.dy }

func (c *canvas) set(x, y int, in ink, line bool) {
	if x < 0 || y < 0 || x >= c.width() || y >= c.height() {
		return
	}
	at := &c.cells[y/c.dy*c.columns+x/c.dx]
	at.bits |= 1 << (x%c.dx*dotRows + y%c.dy)
	if line || !at.line {
		at.ink, at.line = in, line
	}
}

func (c *canvas) vertical(x, top, bottom int, in ink, line bool) {
	for y := min(top, bottom); y <= max(top, bottom); y++ {
		c.set(x, y, in, line)
	}
}

// line joins two dots; steep parts become vertical runs.
func (c *canvas) line(x0, y0, x1, y1 int, in ink) {
	steps := max(1, x1-x0)
	before := y0
	for i := 1; i <= steps; i++ {
		y := y0 + (y1-y0)*i/steps
		c.vertical(x0+i, before+sign(y-before), y, in, true)
		before = y
	}
}

func sign(n int) int {
	switch {
	case n > 0:
		return 1
	case n < 0:
		return -1
	}
	return 0
}

// writeRow writes a row of cells, changing the colour only where it changes.
func (c *canvas) writeRow(out *strings.Builder, row int, color bool) {
	var open string
	for _, at := range c.cells[row*c.columns : (row+1)*c.columns] {
		style := ""
		if at.bits != 0 {
			style = at.ink.code(at.line)
		}
		if color && style != open {
			out.WriteString(change(open, style))
			open = style
		}
		if at.bits == 0 {
			out.WriteString(" ")
			continue
		}
		out.WriteString(c.draw(at.bits))
	}
	if open != "" {
		out.WriteString(reset)
	}
}
