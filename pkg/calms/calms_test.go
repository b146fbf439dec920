package calms

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for _, good := range []string{"", "acme", "acme/ljubljana", "a/b/comp-3", "acme/ljubljana/comp-3/flow", "0/1.5/x_y"} {
		if p, err := ParsePath(good); err != nil || string(p) != good {
			t.Errorf("ParsePath(%q) = %q, %v", good, p, err)
		}
	}
	bad := map[string]string{
		"/acme":                              "organisation is empty",
		"acme/":                              "site is empty",
		"Acme":                               `organisation "Acme" has 'A' at position 1`,
		"acme/ljub ljana":                    "site",
		"acme/-x":                            "position 1",
		"a/b/c/d/e":                          "5 segments",
		"acme/" + strings.Repeat("x", 64):    "longer than 63",
		"acme/ljubljana/comp-3/fl\u00f6w":    "channel",
		"acme/ljubljana/../../../etc/passwd": "segments",
		"acme/..":                            "position 1",
	}
	for path, want := range bad {
		_, err := ParsePath(path)
		if err == nil || !strings.Contains(err.Error(), want) || KindOf(err) != KindInvalid {
			t.Errorf("ParsePath(%q) = %v, want an error with %q", path, err, want)
		}
	}
	if _, err := ParsePathAt("acme/ljubljana", LevelDevice); err == nil || !strings.Contains(err.Error(), "a device is needed") {
		t.Errorf("ParsePathAt = %v", err)
	}
}

func TestPathRelations(t *testing.T) {
	p := Path("acme/ljubljana/comp-3/flow")
	if p.Level() != LevelChannel || p.Base() != "flow" || p.Parent() != "acme/ljubljana/comp-3" || p.At(LevelOrganisation) != "acme" {
		t.Errorf("relations of %q are wrong", p)
	}
	if Path("acme").Parent() != "" || Path("").Parent() != "" || Path("").Child("a").Child("b") != "a/b" {
		t.Error("parents and children of the root are wrong")
	}
	for _, c := range []struct {
		p, q Path
		want bool
	}{{"", "acme", true}, {"acme", "acme/x", true}, {"acme", "acme", true}, {"acme", "acme2/x", false}, {"acme/x", "acme", false}} {
		if got := c.p.Contains(c.q); got != c.want {
			t.Errorf("%q contains %q = %v", c.p, c.q, got)
		}
		if got := (Permission{"channel:read", c.p}).Allows("channel:read", c.q); got != c.want {
			t.Errorf("permission on %q allows %q = %v", c.p, c.q, got)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("acme/ljubljana/comp-3/flow")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		if p.Level() > LevelChannel || strings.ContainsAny(s, " \x00\\#+") || strings.Contains(s, "/..") {
			t.Errorf("ParsePath accepted %q", s)
		}
	})
}

func TestDeviceID(t *testing.T) {
	id := NewDeviceID()
	if got, err := ParseDeviceID(string(id)); err != nil || got != id {
		t.Errorf("ParseDeviceID(%q) = %q, %v", id, got, err)
	}
	if NewDeviceID() == id {
		t.Error("two device ids are equal")
	}
	for _, s := range []string{"", "d-", string(id[2:]), string(id) + "a", strings.ToUpper(string(id)), "d-111111111111111!"} {
		if _, err := ParseDeviceID(s); err == nil {
			t.Errorf("ParseDeviceID accepted %q", s)
		}
	}
}

func TestQuality(t *testing.T) {
	for q, name := range qualityNames {
		if q.String() != name || !q.Valid() {
			t.Errorf("quality %#x is %q, want %q", uint8(q), q, name)
		}
	}
	if q := Quality(0xBF); q.String() != "bad:63" || !q.IsBad() || q.IsGood() || q.IsUncertain() {
		t.Errorf("an unknown reason is %q", q)
	}
	if Quality(0xC1).Valid() {
		t.Error("class 3 is valid")
	}
}

func TestError(t *testing.T) {
	cause := fmt.Errorf("open x: %w", fs.ErrNotExist)
	err := Wrap("open journal", Errorf(KindNotFound, "no journal here: %w", cause).WithHint("calms-edge enroll"))
	if got := err.Error(); got != "open journal: no journal here: open x: file does not exist" {
		t.Errorf("text is %q", got)
	}
	if !errors.Is(err, fs.ErrNotExist) || KindOf(err) != KindNotFound || HintOf(err) != "calms-edge enroll" {
		t.Errorf("cause, kind or hint got lost in %#v", err)
	}
	if HintOf(fmt.Errorf("outer: %w", err)) != "calms-edge enroll" || KindOf(errors.New("x")) != KindInternal || Wrap("x", nil) != nil {
		t.Error("hint through a plain wrap, kind of a plain error or Wrap(nil) is wrong")
	}
	codes := map[Kind]int{KindInternal: 1, KindInvalid: 1, KindPartial: 3, KindForbidden: 4, KindNotFound: 5, KindConflict: 6, KindTimeout: 7, KindPending: 8, KindUsage: 64, KindInterrupted: 130}
	for kind, code := range codes {
		if kind.ExitCode() != code {
			t.Errorf("exit code of %s is %d, want %d", kind, kind.ExitCode(), code)
		}
	}
}

func TestPathErrorsStayReadable(t *testing.T) {
	for _, s := range []string{strings.Repeat("a", 100_000), strings.Repeat("č", 100_000), strings.Repeat("a/", 50_000)} {
		if _, err := ParsePath(s); err == nil || len(err.Error()) > 1000 {
			t.Errorf("a path of %d bytes has an error of %d", len(s), len(err.Error()))
		}
	}
	if _, err := ParsePathAt("acme/x", LevelOrganisation); err == nil || !strings.Contains(err.Error(), "names a site, an organisation is needed") {
		t.Errorf("ParsePathAt = %v", err)
	}
}
