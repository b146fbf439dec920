package settings

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/calms"
)

// sample is a table with a setting of every sort; it notes the line of things.
func sample(line *int) Table {
	return Table{Program: "calms-test", EnvPrefix: "CALMS_TEST", Settings: []Setting{
		{Key: "pause", Default: 10 * time.Second, Check: Between(time.Second, time.Minute), Doc: "between two looks"},
		{Key: "log.level", Default: "info", Values: []string{"info", "warn"}, Doc: "least severity"},
		{Key: "log.limit", Default: "", Check: Optional(SizeFrom("1MiB")), Doc: "size of it; empty is none"},
		{Key: "public.hosts", Default: []string{"localhost"}, Check: noBlank, Doc: "names"},
	}, Parts: []Part{{Key: "things", Schema: ObjectSchema(nil), Read: func(file string, n *yaml.Node) error {
		*line = n.Line
		return nil
	}}}}
}

func noBlank(value string) error {
	if value == "" || strings.Contains(value, " ") {
		return calms.Errorf(calms.KindInvalid, "%q is no name", value)
	}
	return nil
}

func load(t *testing.T, text string) (*Values, int, error) {
	t.Helper()
	file := ""
	if text != "" {
		file = filepath.Join(t.TempDir(), "x.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	line := 0
	v, err := sample(&line).Load(file)
	return v, line, err
}

// into is what a program reads the table into.
type into struct {
	Pause time.Duration
	Log   struct {
		Level string
		Limit string
	}
	Public struct{ Hosts []string }
}

func TestEnvironmentOverFileOverDefault(t *testing.T) {
	t.Setenv("CALMS_TEST_PAUSE", "3s")
	t.Setenv("CALMS_TEST_LOG_LEVEL", "") // empty is not set
	v, line, err := load(t, "pause: 2s\nlog: {level: warn}\nthings: {}\n")
	if err != nil {
		t.Fatal(err)
	}
	if v.Duration("pause") != 3*time.Second || v.Text("log.level") != "warn" || v.Bytes("log.limit") != 0 {
		t.Errorf("in force are %v, %v, %v", v.Duration("pause"), v.Text("log.level"), v.Bytes("log.limit"))
	}
	if v.Digest == ([32]byte{}) || line != 3 {
		t.Errorf("digest %x, things at line %d", v.Digest, line)
	}
	var s into
	if err := v.Into(&s); err != nil || s.Pause != 3*time.Second || !slices.Equal(s.Public.Hosts, []string{"localhost"}) {
		t.Errorf("got %+v, %v", s, err)
	}
	if err := v.Into(&struct{ Pause time.Duration }{}); err == nil {
		t.Error("settings without a field were dropped")
	}
}

func TestListsComeFromEverywhere(t *testing.T) {
	for name, c := range map[string]struct{ env, file string }{
		"list":        {"", "public: {hosts: [a, b]}"},
		"text":        {"", "public: {hosts: 'a,b'}"},
		"environment": {"a,b", "public: {hosts: [c]}"},
	} {
		t.Setenv("CALMS_TEST_PUBLIC_HOSTS", c.env)
		v, _, err := load(t, c.file)
		if err != nil {
			t.Fatal(name, err)
		}
		var s into
		if err := v.Into(&s); err != nil || !slices.Equal(s.Public.Hosts, []string{"a", "b"}) {
			t.Errorf("%s: %v, %v", name, s.Public.Hosts, err)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"lag: {}":                          `x.yaml:1: unknown key "lag"; known here are things, pause, log, public`,
		"log:\n  lavel: warn":              `x.yaml:2: unknown key "log.lavel"; known here are level, limit`,
		"log: warn":                        "x.yaml:1: keys are needed here, such as level, limit",
		"[pause]":                          "x.yaml:1: keys are needed here, such as things",
		"pause: 2s\npause: 3s":             `x.yaml:2: key "pause" stands at `,
		"pause:":                           "x.yaml:1: pause has no value",
		"pause: [2s]":                      "x.yaml:1: pause needs a single value",
		"pause: 24":                        `x.yaml:1: pause: "24" is no duration`,
		"pause: 2h":                        "x.yaml:1: pause: 2h0m0s is not between 1s and 1m0s",
		"log:\n  level: loud":              `x.yaml:2: log.level: "loud" is not one of info, warn`,
		"log: {limit: 1KiB}":               "x.yaml:1: log.limit: 1KiB is less than 1MiB",
		"public: {hosts: []}":              "x.yaml:1: public.hosts has no value",
		"public: {hosts: ~}":               "x.yaml:1: public.hosts has no value",
		"public: {hosts: [a, b c]}":        `x.yaml:1: public.hosts: "b c" is no name`,
		"public: {hosts: {a: b}}":          "x.yaml:1: public.hosts needs a single value",
		"public: &p {hosts: [a]}\nlog: *p": "x.yaml:2: keys are needed here",
		"log:\n\tlevel: info":              "x.yaml:2: ",
	} {
		_, _, err := load(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
	if _, _, err := load(t, "lag: 1"); calms.HintOf(err) != "calms-test config schema" {
		t.Errorf("the hint is %q", calms.HintOf(err))
	}
	_, _, err := load(t, "lag: 1\npause: 2h\nlog: {level: loud}")
	for _, want := range []string{"x.yaml:1: unknown", "\n", "x.yaml:2: pause", "x.yaml:3: log.level"} {
		if err == nil || !strings.Contains(err.Error(), want) || calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("three mistakes give %v", err)
		}
	}
	if _, err := sample(new(int)).Load("/"); calms.HintOf(err) != "name a file: --config FILE" {
		t.Errorf("a directory: %v, hint %q", err, calms.HintOf(err))
	}
	if _, err := sample(new(int)).Load("nowhere.yaml"); calms.HintOf(err) != "calms-test config show > nowhere.yaml" {
		t.Errorf("no file: %v, hint %q", err, calms.HintOf(err))
	}
	t.Setenv("CALMS_TEST_PAUSE", "soon")
	if _, _, err := load(t, "pause: 2s"); err == nil || !strings.HasPrefix(err.Error(), `CALMS_TEST_PAUSE: pause: "soon" is no duration`) {
		t.Errorf("a wrong variable: %v", err)
	}
}

// What is shown loads again, and shows the same.
func TestShownIsAConfiguration(t *testing.T) {
	v, _, err := load(t, "pause: 2s\nlog: {limit: 2 MiB}\npublic: {hosts: ['1', b]}")
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := v.Show(&first); err != nil {
		t.Fatal(err)
	}
	if again, _, err := load(t, first.String()); err != nil {
		t.Fatal(err)
	} else if err := again.Show(&second); err != nil || first.String() != second.String() {
		t.Errorf("shown %s, then %s, %v", &first, &second, err)
	}
	for _, want := range []string{"# between two looks\npause: 2s\n", "  limit: 2 MiB\n", `hosts: ["1", b]`} {
		if !strings.Contains(first.String(), want) {
			t.Errorf("%q is not in %s", want, &first)
		}
	}
}

func TestSchema(t *testing.T) {
	var out bytes.Buffer
	if err := sample(new(int)).WriteSchema(&out); err != nil {
		t.Fatal(err)
	}
	type object struct {
		Type                 string
		AdditionalProperties *bool
		Description          string
		Default              any
		Enum                 []string
		Properties           map[string]*object
	}
	var s object
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	log := s.Properties["log"]
	if s.AdditionalProperties == nil || *s.AdditionalProperties || log == nil || log.AdditionalProperties == nil || s.Properties["things"] == nil {
		t.Fatalf("the schema is %s", &out)
	}
	level, hosts := log.Properties["level"], s.Properties["public"].Properties["hosts"]
	if !slices.Equal(level.Enum, []string{"info", "warn"}) || !strings.HasSuffix(level.Description, "CALMS_TEST_LOG_LEVEL") || hosts.Type != "array" || hosts.Default != nil {
		t.Errorf("level is %+v, hosts are %+v", level, hosts)
	}
	if s.Properties["pause"].Default != "10s" {
		t.Errorf("pause is %+v", s.Properties["pause"])
	}
}

func TestChecks(t *testing.T) {
	for _, c := range []struct {
		check Check
		good  []string
		bad   []string
	}{
		{Address, []string{":0", "a:65535", "[::1]:1"}, []string{"", "a", "a:", "a:-1", "a:65536", "::1:1"}},
		{Loopback, []string{"127.0.0.1:0", "localhost:1", "[::1]:1", "127.9.9.9:1"}, []string{":1", "0.0.0.0:1", "192.0.2.1:1", "example.org:1", "127.0.0.1"}},
		{AtLeast(time.Second), []string{"1s", "99h"}, []string{"", "1", "999ms", "-1s"}},
		{Between(time.Second, time.Minute), []string{"1s", "60s"}, []string{"0s", "61s"}},
		{SizeFrom("1KiB"), []string{"1KiB", "1 KiB", "3GiB"}, []string{"", "1", "KiB", "0KiB", "-1MiB", "1.5MiB", "1KB", "99999999999GiB"}},
		{SizeFrom("1MiB"), []string{"1024KiB"}, []string{"1023KiB"}},
		{Optional(Address), []string{"", ":1"}, []string{"x"}},
	} {
		for _, value := range c.good {
			if err := c.check(value); err != nil {
				t.Errorf("%q: %v", value, err)
			}
		}
		for _, value := range c.bad {
			if err := c.check(value); calms.KindOf(err) != calms.KindInvalid || err == nil {
				t.Errorf("%q was taken: %v", value, err)
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, text := range []string{"", "pause: 2s", "log: {level: warn}", "public: {hosts: [a, b]}", "a: &a {<<: *a}", "things: [1]", "? [x]\n: y", "--- 1\n--- 2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, _, err := load(t, text)
		if err != nil && calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%v is of the kind %s", err, calms.KindOf(err))
		}
		if d := time.Duration(0); err == nil {
			if d = v.Duration("pause"); d < time.Second || d > time.Minute {
				t.Errorf("the pause is %s", d)
			}
		}
	})
}
