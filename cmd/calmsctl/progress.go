package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
	"os"
)

// progress tells on the standard error how far something is: a bar on a
// terminal, else a line now and then, as JSON where JSON was asked for.
type progress struct {
	a    *app
	task string
	bar  bool
	last time.Time
	open bool // a bar stands on the line
}

// How often each form is renewed.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
)

func (a *app) newProgress(task string) *progress {
	return &progress{a: a, task: task, bar: a.terminal.stderr && !a.wantsJSON(), last: a.now()}
}

// show tells the state; share is between 0 and 1, or negative where unknown.
func (p *progress) show(text string, share float64) {
	every := lineEvery
	if p.bar {
		every = barEvery
	}
	now := p.a.now()
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	switch {
	case p.bar:
		p.draw(text, share)
	case p.a.wantsJSON():
		p.line(text, share)
	default:
		fmt.Fprintf(p.a.stderr, "%s: %s%s\n", p.task, percent(share), text)
	}
}

func (p *progress) line(text string, share float64) {
	state := map[string]any{"progress": p.task, "detail": text}
	if share >= 0 {
		state["share"] = share
	}
	_ = json.NewEncoder(p.a.stderr).Encode(state)
}

func percent(share float64) string {
	if share < 0 {
		return ""
	}
	return fmt.Sprintf("%d%% ", int(100*min(share, 1)))
}

func (p *progress) draw(text string, share float64) {
	width := 80
	if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && w > 0 {
		width = w
	}
	line := p.task + "  "
	if share >= 0 {
		const cells = 24
		full := int(cells * min(share, 1))
		line += "[" + strings.Repeat("#", full) + strings.Repeat("-", cells-full) + "] " + percent(share)
	}
	line += text
	for utf8.RuneCountInString(line) > width-1 {
		_, size := utf8.DecodeLastRuneInString(line)
		line = line[:len(line)-size]
	}
	fmt.Fprintf(p.a.stderr, "\r\x1b[K%s", line)
	p.open = true
}

// clear takes the bar off the terminal.
func (p *progress) clear() {
	if p.open {
		fmt.Fprint(p.a.stderr, "\r\x1b[K")
		p.open = false
	}
}
