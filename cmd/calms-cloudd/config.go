package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/calms"
)

// config is what the settings come to: environment over file over default.
type config struct {
	Listen struct {
		API     string
		Broker  string
		Private string
	}
	Public struct {
		Hosts []string
	}
	Certificates struct {
		Device  time.Duration
		Service time.Duration
		Grace   time.Duration
	}
	Backup struct {
		Interval time.Duration
	}
	Log struct {
		Level  string
		Format string
	}
	Memory struct {
		Limit string
	}
}

// loadConfig reads the settings; file may be empty for none. The error names
// the first thing that is wrong, with the file's line or the variable.
func loadConfig(file string) (config, error) {
	v := viper.New()
	for _, s := range settings() {
		v.SetDefault(s.key, s.initial)
		if err := v.BindEnv(s.key, s.env()); err != nil {
			return config{}, calms.Wrap("read configuration", err)
		}
	}
	origins := map[string]string{} // file and line of the keys that a file sets
	if file != "" {
		if err := readConfigFile(v, file, origins); err != nil {
			return config{}, err
		}
	}
	for _, s := range settings() {
		if err := s.verify(v.Get(s.key), origins[s.key]); err != nil {
			return config{}, err
		}
	}
	var c config
	return c, calms.Wrap("read configuration", v.UnmarshalExact(&c))
}

// readConfigFile gives a YAML file to v. The file is walked here first, as viper
// knows no lines and lets doubled keys pass.
func readConfigFile(v *viper.Viper, file string, origins map[string]string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return calms.Errorf(calms.KindInvalid, "read configuration: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return calms.Errorf(calms.KindInvalid, "%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(document.Content) == 0 {
		return nil // empty, or comments only
	}
	if err := walk(file, "", document.Content[0], origins); err != nil {
		return err
	}
	var values map[string]any
	if err := document.Decode(&values); err != nil {
		return calms.Errorf(calms.KindInvalid, "%s: %w", file, err)
	}
	return calms.Wrap("read configuration", v.MergeConfigMap(values))
}

// walk checks the keys below parent and notes where each stands.
func walk(file, parent string, node *yaml.Node, origins map[string]string) error {
	if node.Kind != yaml.MappingNode {
		return calms.Errorf(calms.KindInvalid, "%s:%d: keys are needed here, such as %s", file, node.Line, strings.Join(keysBelow(parent), ", "))
	}
	for i := 0; i < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		key := strings.TrimPrefix(parent+"."+name.Value, ".")
		origin := fmt.Sprintf("%s:%d", file, name.Line)
		if other, doubled := origins[key]; doubled {
			return calms.Errorf(calms.KindInvalid, "%s: key %q stands at %s already", origin, key, other)
		}
		origins[key] = origin
		if slices.ContainsFunc(settings(), func(s setting) bool { return s.key == key }) {
			if value.Tag == "!!null" { // viper would take the default for it
				return noValue(origin, key)
			}
			continue
		}
		if len(keysBelow(key)) == 0 {
			return calms.Errorf(calms.KindInvalid, "%s: unknown key %q; known here are %s", origin, key, strings.Join(keysBelow(parent), ", ")).
				WithHint("calms-cloudd config schema")
		}
		if err := walk(file, key, value, origins); err != nil {
			return err
		}
	}
	return nil
}

// keysBelow lists the known keys of the section parent; empty is the top.
func keysBelow(parent string) []string {
	var keys []string
	for _, s := range settings() {
		rest, ok := strings.CutPrefix("."+s.key, strings.TrimSuffix("."+parent, ".")+".")
		name, _, _ := strings.Cut(rest, ".")
		if ok && !slices.Contains(keys, name) {
			keys = append(keys, name)
		}
	}
	return keys
}

// verify checks a value of any origin; an empty origin is the environment, as
// defaults are right.
func (s setting) verify(value any, origin string) error {
	if variable, set := os.LookupEnv(s.env()); origin == "" || set && variable != "" {
		origin = s.env()
	}
	texts := s.texts(value)
	if len(texts) == 0 {
		return noValue(origin, s.key)
	}
	for _, text := range texts {
		if err := s.allow(text); err != nil {
			return calms.Errorf(calms.KindInvalid, "%s: %s: %w", origin, s.key, err)
		}
	}
	return nil
}

func noValue(origin, key string) error {
	return calms.Errorf(calms.KindInvalid, "%s: %s has no value", origin, key)
}

func (s setting) allow(text string) error {
	if len(s.values) > 0 && !slices.Contains(s.values, text) {
		return calms.Errorf(calms.KindInvalid, "%q is not one of %s", text, strings.Join(s.values, ", "))
	}
	if s.check == nil {
		return nil
	}
	return s.check(text)
}

// texts is a value in text form: one, or each of a list.
func (s setting) texts(value any) []string {
	_, isList := s.initial.([]string)
	switch value := value.(type) {
	case []string:
		return value
	case []any:
		texts := make([]string, len(value))
		for i, v := range value {
			texts[i] = fmt.Sprint(v)
		}
		if isList {
			return texts
		}
	case string:
		if isList {
			return strings.Split(value, ",") // as viper does with the environment
		}
	}
	return []string{fmt.Sprint(value)}
}
