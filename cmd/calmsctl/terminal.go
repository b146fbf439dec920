package main

import (
	"os"
	"runtime"

	"golang.org/x/term"
)

// terminal is what is known of the three streams, each by itself.
type terminal struct {
	stdin, stdout, stderr bool // connected to a terminal
	colors                bool // the terminal of stdout shows them
	plain                 bool // it shows ASCII at best
}

func detectTerminal() terminal {
	t := terminal{
		stdin:  term.IsTerminal(int(os.Stdin.Fd())),
		stdout: term.IsTerminal(int(os.Stdout.Fd())),
		stderr: term.IsTerminal(int(os.Stderr.Fd())),
	}
	kind := os.Getenv("TERM")
	dumb := kind == "dumb"
	t.plain = dumb || kind == "linux" // the kernel's console has no font for charts
	t.colors = t.stdout && !dumb && os.Getenv("NO_COLOR") == "" && knowsEscapes()
	t.stderr = t.stderr && !dumb
	return t
}

// knowsEscapes is false for Windows' old console, which prints them as text.
func knowsEscapes() bool {
	return runtime.GOOS != "windows" || os.Getenv("WT_SESSION") != "" || os.Getenv("TERM") != ""
}

// size is the terminal's width and height, or 80 by 24 where there is none.
func (t terminal) size() (width, height int) {
	if t.stdout {
		if width, height, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
			return width, height
		}
	}
	return 80, 24
}

func (a *app) colors() bool { return a.terminal.colors && !a.settings.GetBool("no-color") }
