package wire

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/calms"
)

func testTicket() Ticket {
	t := Ticket{ID: "t-abcdefghijklmnop", URL: "https://cloud.example:8443"}
	for i := range t.Secret {
		t.Secret[i], t.CA[i] = byte(i), byte(200-i)
	}
	return t
}

func TestTicketSurvivesTheWayOnPaper(t *testing.T) {
	want := testTicket()
	text := want.String()
	wrapped := " " + text[:40] + "\r\n  " + text[40:] + "\n"
	for _, s := range []string{text, wrapped} {
		if got, err := ParseTicket(s); err != nil || got != want {
			t.Errorf("ParseTicket(%q) = %v, %v", s, got, err)
		}
	}
	if !strings.HasPrefix(text, "calms-ticket-1.") {
		t.Errorf("the text is %q", text)
	}
}

func TestTicketErrorsSayWhatIsWrong(t *testing.T) {
	text := testTicket().String()
	for in, want := range map[string]string{
		"":                                     "no enrolment ticket",
		"calms-op-xyz":                         "no enrolment ticket",
		strings.Repeat("x", 10_000):            "no enrolment ticket",
		"calms-ticket-1":                       "truncated",
		"calms-ticket-1.":                      "truncated",
		"calms-ticket-1.A":                     "truncated",
		text + "AAAA":                          "mistyped",
		"calms-ticket-2." + text[15:]:          "version 2",
		text[:30] + "*" + text[31:]:            "wrong character at position 31",
		text[:30] + flip(text[30]) + text[31:]: "mistyped",
	} {
		_, err := ParseTicket(in)
		if err == nil || !strings.Contains(err.Error(), want) || calms.KindOf(err) != calms.KindInvalid || calms.HintOf(err) == "" {
			t.Errorf("ParseTicket(%.40q) = %v, want %q and a hint", in, err, want)
		}
	}
	for n := len("calms-ticket-1."); n < len(text); n++ {
		if _, err := ParseTicket(text[:n]); err == nil || !strings.Contains(err.Error(), "truncated") {
			t.Errorf("the first %d characters give %v", n, err)
		}
	}
}

// flip changes one base64url character.
func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func TestEveryTypingErrorIsFound(t *testing.T) {
	text := testTicket().String()
	for i := range text {
		if got, err := ParseTicket(text[:i] + flip(text[i]) + text[i+1:]); err == nil {
			t.Errorf("an error at %d gives %v", i, got)
		}
	}
}

func TestTicketStaysOutOfLogs(t *testing.T) {
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "ticket", testTicket())
	if !strings.Contains(log.String(), "t-abcdefghijklmnop") || strings.Contains(log.String(), "calms-ticket-1.") {
		t.Errorf("the log says %s", log.String())
	}
}

func FuzzParseTicket(f *testing.F) {
	text := testTicket().String()
	for _, s := range []string{text, text[:50], "calms-ticket-1.", "calms-ticket-9.AAAA", fmt.Sprint(text, text)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ticket, err := ParseTicket(s)
		if err != nil {
			return
		}
		if canonical := strings.Map(dropSpace, s); ticket.String() != canonical {
			t.Errorf("%q reads as %q", canonical, ticket.String())
		}
	})
}
