package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// column is one column of a table, or one field where a single thing is shown.
type column[T any] struct {
	title string
	wide  bool // only with -o wide, and where a single thing is shown
	right bool // numbers
	cell  func(T) string
	tone  func(T) tone // colour, may be nil
}

// tone is a colour by its meaning.
type tone string

const (
	toneNone tone = ""
	toneGood tone = "32"
	toneWarn tone = "33"
	toneBad  tone = "31"
	toneDim  tone = "2"
	toneBold tone = "1"
)

func (a *app) paint(t tone, text string) string {
	if t == toneNone || text == "" || !a.colors() {
		return text
	}
	return "\x1b[" + string(t) + "m" + text + "\x1b[0m"
}

// grid is a table ready to print; the first row of a headed one is its header.
type grid struct {
	header []string
	right  []bool
	rows   [][]string
}

func rowsOf[T any](a *app, v view[T], items []T) grid {
	var g grid
	var shown []column[T]
	for _, c := range v.columns {
		if c.wide && a.format() != formatWide {
			continue
		}
		shown = append(shown, c)
		g.header = append(g.header, a.paint(toneDim, c.title))
		g.right = append(g.right, c.right)
	}
	for _, item := range items {
		row := make([]string, len(shown))
		for i, c := range shown {
			row[i] = a.cell(c.cell(item), toneOf(c, item))
		}
		g.rows = append(g.rows, row)
	}
	return g
}

func fieldsOf[T any](a *app, v view[T], item T) [][2]string {
	var fields [][2]string
	for _, c := range v.columns {
		text := c.cell(item)
		if text == "" {
			continue
		}
		fields = append(fields, [2]string{c.title, a.paint(toneOf(c, item), text)})
	}
	return fields
}

func toneOf[T any](c column[T], item T) tone {
	if c.tone == nil {
		return toneNone
	}
	return c.tone(item)
}

// cell shows emptiness, so that columns can be counted.
func (a *app) cell(text string, t tone) string {
	if text == "" {
		return "-"
	}
	return a.paint(t, text)
}

// printTable prints columns without borders, two spaces apart.
func (a *app) printTable(g grid) error {
	var out bytes.Buffer
	table := tablewriter.NewTable(&out, plainTable(g.right)...)
	if g.header != nil {
		table.Header(g.header)
	}
	if err := table.Bulk(g.rows); err != nil {
		return err
	}
	if err := table.Render(); err != nil {
		return err
	}
	return writeTrimmed(a.stdout, out.String())
}

// printFields prints names and values, one below the other.
func (a *app) printFields(fields [][2]string) error {
	var g grid
	for _, f := range fields {
		g.rows = append(g.rows, []string{a.paint(toneDim, f[0]), f[1]})
	}
	return a.printTable(g)
}

func plainTable(right []bool) []tablewriter.Option {
	align := make(tw.Alignment, len(right))
	for i, r := range right {
		align[i] = tw.AlignLeft
		if r {
			align[i] = tw.AlignRight
		}
	}
	off := tw.Rendition{
		Borders: tw.BorderNone,
		Settings: tw.Settings{
			Lines:      tw.LinesNone,
			Separators: tw.SeparatorsNone,
		},
	}
	return []tablewriter.Option{
		tablewriter.WithRenderer(renderer.NewBlueprint(off)),
		tablewriter.WithRendition(off),
		tablewriter.WithPadding(tw.Padding{Right: "  ", Overwrite: true}),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithAlignment(align),
		tablewriter.WithTrimSpace(tw.Off),
	}
}

func writeTrimmed(w io.Writer, text string) error {
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// section prints a heading between tables.
func (a *app) section(title string) {
	fmt.Fprintf(a.stdout, "\n%s\n", a.paint(toneBold, title))
}
