package settings

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/calms"
)

// Load reads and checks all values; file may be empty for none. The error is
// [calms.KindInvalid] and names what is wrong, one mistake a line.
func (t Table) Load(file string) (*Values, error) {
	l := loader{table: t, file: file, origins: map[string]string{}, values: &Values{table: t, viper: viper.New()}}
	for _, s := range t.Settings {
		l.values.viper.SetDefault(s.Key, s.Default)
		if err := l.values.viper.BindEnv(s.Key, t.env(s.Key)); err != nil {
			return nil, calms.Wrap("read configuration", err)
		}
	}
	document, err := l.read()
	if err != nil {
		return nil, err
	}
	var mistakes []error
	if len(document.Content) > 0 { // else there is no file, or comments only
		mistakes = append(mistakes, l.section("", document.Content[0]))
	}
	for _, s := range t.Settings {
		mistakes = append(mistakes, l.verify(s))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return l.values, nil
}

// loader is one [Table.Load].
type loader struct {
	table   Table
	file    string
	origins map[string]string // file and line of the keys that the file sets
	values  *Values
}

// read takes the file in, where there is one. Its document is walked here, as
// viper knows no lines, and lets doubled and unknown keys pass.
func (l loader) read() (document yaml.Node, err error) {
	if l.file == "" {
		return document, nil
	}
	text, err := os.ReadFile(l.file)
	if err != nil {
		return document, calms.Errorf(calms.KindInvalid, "read configuration: %w", err).WithHint("%s", l.hint(err))
	}
	l.values.Digest = sha256.Sum256(text)
	if err := yaml.Unmarshal(text, &document); err != nil {
		return document, calms.Errorf(calms.KindInvalid, "%s:%s", l.file, syntaxLine.ReplaceAllString(err.Error(), "$1: "))
	}
	return document, nil
}

// syntaxLine is how the YAML library begins its errors, with a line or without.
var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// hint says what to do where the file cannot be read.
func (l loader) hint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s config show > %s", l.table.Program, l.file)
	case errors.Is(err, fs.ErrPermission):
		return "run it as a user who may read the file"
	}
	return "name a file: --config FILE"
}

// section takes over the keys of a section.
func (l loader) section(section string, node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return calms.Errorf(calms.KindInvalid, "%s:%d: keys are needed here, such as %s", l.file, node.Line, strings.Join(l.table.below(section), ", "))
	}
	var mistakes []error
	for i := 0; i < len(node.Content); i += 2 {
		mistakes = append(mistakes, l.key(section, node.Content[i], node.Content[i+1]))
	}
	return errors.Join(mistakes...)
}

func (l loader) key(section string, name, value *yaml.Node) error {
	key := strings.TrimPrefix(section+"."+name.Value, ".")
	origin := fmt.Sprintf("%s:%d", l.file, name.Line)
	if other, doubled := l.origins[key]; doubled {
		return calms.Errorf(calms.KindInvalid, "%s: key %q stands at %s already", origin, key, other)
	}
	l.origins[key] = origin
	if s, is := l.table.setting(key); is {
		return l.take(s, value)
	}
	if p, is := l.table.part(key); is {
		return p.Read(l.file, value)
	}
	if len(l.table.below(key)) > 0 {
		return l.section(key, value)
	}
	return calms.Errorf(calms.KindInvalid, "%s: unknown key %q; known here are %s", origin, key, strings.Join(l.table.below(section), ", ")).
		WithHint("%s config schema", l.table.Program)
}

// take hands the value of a setting to viper, as text and not as what YAML takes
// it for: 24 is no more a duration than "24".
func (l loader) take(s Setting, node *yaml.Node) error {
	texts := []string{node.Value}
	var value any = node.Value
	if s.isList() && node.Kind == yaml.SequenceNode {
		texts = nil
		for _, element := range node.Content {
			texts = append(texts, element.Value)
		}
		value = texts
	} else if node.Kind != yaml.ScalarNode {
		return calms.Errorf(calms.KindInvalid, "%s: %s needs a single value", l.origins[s.Key], s.Key)
	}
	if len(texts) == 0 || node.Tag == "!!null" { // viper would take the default for it
		return calms.Errorf(calms.KindInvalid, "%s: %s has no value", l.origins[s.Key], s.Key)
	}
	return calms.Wrap("read configuration", l.values.viper.MergeConfigMap(nest(s.Key, value)))
}

// nest is a map of maps with one value at a dotted key.
func nest(key string, value any) map[string]any {
	section, name := split(key)
	if section == "" {
		return map[string]any{name: value}
	}
	return map[string]any{section: map[string]any{name: value}}
}

// verify checks the value in force.
func (l loader) verify(s Setting) error {
	for _, text := range l.values.texts(s) {
		if err := s.allow(text); err != nil {
			return calms.Errorf(calms.KindInvalid, "%s: %s: %w", l.origin(s.Key), s.Key, err)
		}
	}
	return nil
}

// origin is where a value came from. Defaults are right, so what comes from
// nowhere else comes from the environment.
func (l loader) origin(key string) string {
	if variable := l.table.env(key); os.Getenv(variable) != "" || l.origins[key] == "" {
		return variable
	}
	return l.origins[key]
}

func (s Setting) allow(text string) error {
	if len(s.Values) > 0 && !slices.Contains(s.Values, text) {
		return calms.Errorf(calms.KindInvalid, "%q is not one of %s", text, strings.Join(s.Values, ", "))
	}
	if s.Check == nil {
		return nil
	}
	return s.Check(text)
}
