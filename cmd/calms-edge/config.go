package main

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

// config is what the settings come to: environment over file over default.
type config struct {
	values      *viper.Viper
	file        string // empty where there is none
	instruments []instrument
	digest      wire.Hash // of the file
}

func (c config) text(key string) string { return c.values.GetString(key) }

// broker is where to connect, where the cloud told of an address. Whoever
// stands there must show the certificate of the host that the cloud told.
func (c config) broker(told string) (address, host string) {
	host, _, _ = net.SplitHostPort(told) // empty where the cloud told nonsense: nobody has that name
	if own := c.text("uplink.broker"); own != "" {
		return own, host
	}
	return told, host
}

func (c config) duration(key string) time.Duration { return c.values.GetDuration(key) }

// bytes is a size; the settings were checked.
func (c config) bytes(key string) int64 {
	n, err := parseSize(c.text(key))
	if err != nil {
		return 0
	}
	return n
}

// loadConfig reads the settings; file may be empty for none. The error names
// the first thing that is wrong, with the file's line or the variable.
func loadConfig(file string) (config, error) {
	c := config{values: viper.New(), file: file}
	for _, s := range settings() {
		c.values.SetDefault(s.key, s.initial)
		if err := c.values.BindEnv(s.key, s.env()); err != nil {
			return c, calms.Wrap("read configuration", err)
		}
	}
	origins := map[string]string{} // file and line of the keys that a file sets
	if file != "" {
		if err := c.read(origins); err != nil {
			return c, err
		}
	}
	for _, s := range settings() {
		if err := s.check(c.text(s.key)); err != nil {
			return c, calms.Errorf(calms.KindInvalid, "%s: %s: %w", s.origin(origins), s.key, err)
		}
	}
	return c, nil
}

// origin is where a value came from.
func (s setting) origin(origins map[string]string) string {
	if value, set := os.LookupEnv(s.env()); set && value != "" || origins[s.key] == "" {
		return s.env()
	}
	return origins[s.key]
}

// read takes the file in. It is walked here, as viper knows no lines, and lets
// doubled and unknown keys pass.
func (c *config) read(origins map[string]string) error {
	text, err := os.ReadFile(c.file)
	if err != nil {
		return calms.Errorf(calms.KindInvalid, "read configuration: %w", err).WithHint("calms-edge config show > %s", c.file)
	}
	c.digest = sha256.Sum256(text)
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return calms.Errorf(calms.KindInvalid, "%s: %s", c.file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(document.Content) == 0 {
		return nil // empty, or comments only
	}
	return c.walk("", document.Content[0], origins)
}

// walk takes over the keys below parent.
func (c *config) walk(parent string, node *yaml.Node, origins map[string]string) error {
	if node.Kind != yaml.MappingNode {
		return calms.Errorf(calms.KindInvalid, "%s:%d: keys are needed here, such as %s", c.file, node.Line, strings.Join(keysBelow(parent), ", "))
	}
	for i := 0; i < len(node.Content); i += 2 {
		if err := c.key(parent, node.Content[i], node.Content[i+1], origins); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) key(parent string, name, value *yaml.Node, origins map[string]string) (err error) {
	key := strings.TrimPrefix(parent+"."+name.Value, ".")
	origin := fmt.Sprintf("%s:%d", c.file, name.Line)
	if other, doubled := origins[key]; doubled {
		return calms.Errorf(calms.KindInvalid, "%s: key %q stands at %s already", origin, key, other)
	}
	origins[key] = origin
	switch {
	case key == instrumentsKey:
		c.instruments, err = readInstruments(c.file, value)
		return err
	case slices.ContainsFunc(settings(), func(s setting) bool { return s.key == key }):
		if value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
			return calms.Errorf(calms.KindInvalid, "%s: %s has no single value", origin, key)
		}
		return calms.Wrap("read configuration", c.values.MergeConfigMap(nest(key, value.Value)))
	case len(keysBelow(key)) > 0:
		return c.walk(key, value, origins)
	}
	return calms.Errorf(calms.KindInvalid, "%s: unknown key %q; known here are %s", origin, key, strings.Join(keysBelow(parent), ", ")).
		WithHint("calms-edge config schema")
}

// nest is a map of maps with one value at a dotted key.
func nest(key, value string) map[string]any {
	section, rest, found := strings.Cut(key, ".")
	if !found {
		return map[string]any{key: value}
	}
	return map[string]any{section: nest(rest, value)}
}

// keysBelow lists the known keys of the section parent; empty is the top.
func keysBelow(parent string) []string {
	var keys []string
	if parent == "" {
		keys = append(keys, instrumentsKey)
	}
	for _, s := range settings() {
		rest, ok := strings.CutPrefix("."+s.key, strings.TrimSuffix("."+parent, ".")+".")
		name, _, _ := strings.Cut(rest, ".")
		if ok && !slices.Contains(keys, name) {
			keys = append(keys, name)
		}
	}
	return keys
}
