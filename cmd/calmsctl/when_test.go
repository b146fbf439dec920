package main

import (
	"testing"
	"time"
	_ "time/tzdata" // the test needs a zone, whatever the machine has
)

func TestParseWhen(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Ljubljana")
	if err != nil {
		t.Fatal(err)
	}
	defer func(old *time.Location) { time.Local = old }(time.Local)
	time.Local = zone
	now := time.Date(2026, 3, 29, 15, 30, 0, 0, zone) // the clocks went forward this night
	for text, want := range map[string]string{
		"now":                       "2026-03-29T15:30:00+02:00",
		"today":                     "2026-03-29T00:00:00+01:00",
		"yesterday":                 "2026-03-28T00:00:00+01:00",
		"-90m":                      "2026-03-29T14:00:00+02:00",
		"-1h30m":                    "2026-03-29T14:00:00+02:00",
		"+1h":                       "2026-03-29T16:30:00+02:00",
		"-1d":                       "2026-03-28T15:30:00+01:00",
		"-2w":                       "2026-03-15T15:30:00+01:00",
		"2026-08-01":                "2026-08-01T00:00:00+02:00",
		"2026-08-01 14:30":          "2026-08-01T14:30:00+02:00",
		"2026-08-01T14:30:05":       "2026-08-01T14:30:05+02:00",
		"2026-08-01T14:30:05Z":      "2026-08-01T14:30:05Z",
		"2026-08-01T14:30:05-07:00": "2026-08-01T14:30:05-07:00",
	} {
		got, err := parseWhen(text, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("parseWhen(%q) = %s, %v; want %s", text, got.Format(time.RFC3339), err, want)
		}
	}
	for _, text := range []string{"tomorrow", "-", "-5", "-5y", "2026-13-01", "14:30", "-d"} {
		if got, err := parseWhen(text, now); err == nil {
			t.Errorf("parseWhen(%q) = %s, want an error", text, got)
		}
	}
	if got, err := parseWhen("", now); err != nil || !got.IsZero() {
		t.Errorf("an empty text gives %s, %v", got, err)
	}
}

func FuzzParseWhen(f *testing.F) {
	for _, seed := range []string{"now", "-2h", "-7d", "2026-08-01 14:30", "2026-08-01T14:30:05Z", "-9999999999999999999d"} {
		f.Add(seed)
	}
	now := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseWhen(text, now); err != nil && !got.IsZero() {
			t.Errorf("parseWhen(%q) gives a time and an error", text)
		}
	})
}
