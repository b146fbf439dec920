package replication

import (
	"strings"
	"testing"
)

func TestOpText(t *testing.T) {
	for _, want := range []Op{
		{Kind: Append, Edge: 2}, {Kind: DeliverUp, Edge: 1, N: 3}, {Kind: Tick}, {Kind: Restore, N: 1},
		{Kind: CrashEdge, Edge: 1, Step: CursorStored, N: 2}, {Kind: CrashCloud, Step: InTransaction}, {Kind: Damage, N: 4, M: 2},
	} {
		if got, err := ParseOp(want.String()); err != nil || got != want {
			t.Errorf("ParseOp(%q) = %v, %v", want, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "empty", "fly 0": `unknown kind "fly"`, "append": "append needs 1", "append 0 0": "append needs 1", "append -1": "operand 1",
		"crash-edge 0 committed 0": "not a step of this side", "crash-cloud 0 sealed 0": "not a step of this side", "restore 9999999999": "small number",
	} {
		if _, err := ParseOp(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseOp(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	f.Add("append 0; crash-cloud 0 committed 1;\n restore 2;; tick")
	f.Add(Draw(1, Options{Edges: 3}).String())
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil {
			return
		}
		if again, err := ParseSchedule(s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%q parses back as %q, %v", s, again, err)
		}
	})
}
