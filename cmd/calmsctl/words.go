package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The ways in which tables show values to people.

func localTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func localTimePtr(t *time.Time) string {
	if t == nil {
		return ""
	}
	return localTime(*t)
}

// ago is an age in its largest unit, rounded down.
func (a *app) ago(t time.Time) string {
	return ageText(a.now().Sub(t)) + " ago"
}

func ageText(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// bytesText is a size in binary units.
func bytesText(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 && unit < 4 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[unit])
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond).String()
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// goodBad colours a state.
func goodBad(good bool) tone {
	if good {
		return toneGood
	}
	return toneBad
}

func joinWords(words []string) string { return strings.Join(words, ", ") }

// joinLines puts each text on its own line of a field.
func joinLines(lines []string) string { return strings.Join(lines, "\n") }
