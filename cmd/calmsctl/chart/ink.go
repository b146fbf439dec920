package chart

// ink is an ANSI colour, one of the sixteen that the terminal's theme defines,
// so that a chart is readable on light and on dark ground.
type ink string

var palette = []ink{"36", "33", "35", "32", "34", "31"}

const (
	faint ink = "2"
	reset     = "\x1b[0m"
)

// code is the escape sequence for a line, or for the band around it.
func (i ink) code(line bool) string {
	if line {
		return "\x1b[" + string(i) + "m"
	}
	return "\x1b[2;" + string(i) + "m"
}

func (i ink) bold() string { return "\x1b[1;" + string(i) + "m" }

func (i ink) on(color bool) string {
	if !color {
		return ""
	}
	return i.code(true)
}

func (i ink) off(color bool) string {
	if !color {
		return ""
	}
	return reset
}

func change(from, to string) string {
	if from == "" {
		return to
	}
	return reset + to
}

func painter(color bool) func(style, text string) string {
	return func(style, text string) string {
		if !color {
			return text
		}
		return style + text + reset
	}
}
