// Package settings is the configuration of a daemon: one table says which keys
// there are, what they mean, what they default to and what they may be. Values
// come from the environment, a YAML file and the defaults, in this order of
// precedence. Mistakes are named with the file's line or the variable.
//
// The table is also the source of the commented file that shows what is in
// force, and of the file's JSON Schema.
package settings

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting is one row of the table: the only place where a key, its default, its
// meaning and its limits stand.
type Setting struct {
	Key     string   // "log.level": at most one dot, in lower case
	Default any      // string, []string or [time.Duration]
	Doc     string   // what it means, in a few words
	Values  []string // the only allowed ones, where there are few
	Check   Check    // of each value; nil allows any
}

// Check finds what is wrong with a value in its text form. Its error is
// [calms.KindInvalid] and says what is allowed.
type Check func(value string) error

// Part is a key of the file whose value the program reads by itself, such as a
// list of things. It has no environment variable and no default.
type Part struct {
	Key    string
	Read   func(file string, value *yaml.Node) error // the error names file and line
	Schema map[string]any                            // JSON Schema of the value
}

// Table is everything that a program's configuration may say, in the order in
// which it is shown.
type Table struct {
	Program   string // "calms-edge", for hints and titles
	EnvPrefix string // "CALMS_EDGE"
	Settings  []Setting
	Parts     []Part
}

// env is the environment variable that sets a key.
func (t Table) env(key string) string {
	return t.EnvPrefix + "_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func (t Table) setting(key string) (Setting, bool) {
	i := slices.IndexFunc(t.Settings, func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return Setting{}, false
	}
	return t.Settings[i], true
}

func (t Table) part(key string) (Part, bool) {
	i := slices.IndexFunc(t.Parts, func(p Part) bool { return p.Key == key })
	if i < 0 {
		return Part{}, false
	}
	return t.Parts[i], true
}

// below lists the known keys of a section; the empty section is the top.
func (t Table) below(section string) (names []string) {
	for _, key := range t.keys() {
		rest, inside := strings.CutPrefix("."+key, strings.TrimSuffix("."+section, ".")+".")
		name, _, _ := strings.Cut(rest, ".")
		if inside && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (t Table) keys() (keys []string) {
	for _, p := range t.Parts {
		keys = append(keys, p.Key)
	}
	for _, s := range t.Settings {
		keys = append(keys, s.Key)
	}
	return keys
}

// split parts a key into its section, empty at the top, and its name there.
func split(key string) (section, name string) {
	section, name, found := strings.Cut(key, ".")
	if !found {
		return "", key
	}
	return section, name
}

// isList reports whether the setting has several values.
func (s Setting) isList() bool {
	_, is := s.Default.([]string)
	return is
}
