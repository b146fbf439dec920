package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

func newConfig() *cobra.Command {
	return group(&cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
		Example: `  calms-edge config show > edge.yaml
  calms-edge config check --config edge.yaml`,
	}, newConfigCheck(), newConfigShow(), newConfigSchema())
}

func newConfigCheck() *cobra.Command {
	var file, output string
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration: exit status 0 when it is valid, 1 when not",
		Example: `  calms-edge config check --config /etc/calms/edge.yaml
  calms-edge config check -o json`,
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			asJSON, err := wantsJSON(c, output)
			if err != nil {
				return err
			}
			settings, err := loadConfig(configFile(file))
			if err == nil {
				err = settings.checkInstruments()
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]any{"valid": true, "file": settings.file, "instruments": len(settings.instruments)})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "the configuration is valid: %d instruments\n", len(settings.instruments))
			return err
		},
	}
	configFlag(c, &file)
	outputFlag(c, &output)
	return c
}

func newConfigShow() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "show",
		Short: "Print the settings in force: environment over file over default",
		Long:  "Prints a configuration file with the settings in force. Without any instruments it shows how one is described.",
		Example: `  calms-edge config show > edge.yaml
  CALMS_EDGE_LOG_LEVEL=debug calms-edge config show`,
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := loadConfig(configFile(file))
			if err != nil {
				return err
			}
			return settings.show(c.OutOrStdout())
		},
	}
	configFlag(c, &file)
	return c
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of the configuration file",
		Example: "  calms-edge config schema > edge.schema.json",
		Args:    exactArgs(0),
		RunE:    func(c *cobra.Command, _ []string) error { return writeSchema(c.OutOrStdout()) },
	}
}

// exampleInstrument is shown where none is configured.
const exampleInstrument = `# instruments: # what to read
#   - name: main           # begins the names of its channels
#     profile: suto-s430   # a built-in profile, or the path of a .yaml file
#     address: 192.168.1.7:502
#     unit: 1
#     interval: 1s
#     timeout: 500ms
#     channels:            # none means every point of the profile
#       - {point: flow, name: flow}
`

// show writes the settings in force as a configuration file with comments.
func (c config) show(w io.Writer) error {
	top := &yaml.Node{Kind: yaml.MappingNode}
	sections := map[string]*yaml.Node{"": top}
	for _, s := range settings() {
		section, name, found := strings.Cut(s.key, ".")
		if !found {
			section, name = "", s.key
		}
		if sections[section] == nil {
			sections[section] = &yaml.Node{Kind: yaml.MappingNode}
			top.Content = append(top.Content, scalar(section, ""), sections[section])
		}
		sections[section].Content = append(sections[section].Content, scalar(name, s.doc), scalar(c.text(s.key), ""))
	}
	if len(c.instruments) > 0 {
		top.Content = append(top.Content, scalar(instrumentsKey, "what to read"), c.instrumentNodes())
	} else if _, err := io.WriteString(w, exampleInstrument); err != nil {
		return err
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(top); err != nil {
		return err
	}
	return encoder.Close()
}

func (c config) instrumentNodes() *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, in := range c.instruments {
		n := pairs("name", in.Name, "profile", in.Profile, "address", in.Address, "unit", fmt.Sprint(in.Unit),
			"interval", in.Interval.String(), "timeout", in.Timeout.String())
		channels := &yaml.Node{Kind: yaml.SequenceNode}
		for _, ch := range in.Channels {
			one := pairs("point", ch.Point, "name", ch.Name, "interval", ch.Interval.String())
			one.Style = yaml.FlowStyle
			channels.Content = append(channels.Content, one)
		}
		if len(in.Channels) > 0 {
			n.Content = append(n.Content, scalar("channels", ""), channels)
		}
		list.Content = append(list.Content, n)
	}
	return list
}

// pairs is a mapping of keys to values; those that are empty or nought are left
// out, as their defaults are meant.
func pairs(texts ...string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i < len(texts); i += 2 {
		if texts[i+1] != "" && texts[i+1] != "0s" {
			n.Content = append(n.Content, scalar(texts[i], ""), scalar(texts[i+1], ""))
		}
	}
	return n
}

func scalar(text, comment string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text, HeadComment: comment}
	if text == "" {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// writeSchema writes the JSON Schema (2020-12) of the configuration file.
func writeSchema(w io.Writer) error {
	top := map[string]any{instrumentsKey: arrayOf(instrumentSchema())}
	for _, s := range settings() {
		section, name, found := strings.Cut(s.key, ".")
		if !found {
			top[s.key] = s.schema()
			continue
		}
		if top[section] == nil {
			top[section] = object(map[string]any{})
		}
		top[section].(map[string]any)["properties"].(map[string]any)[name] = s.schema()
	}
	schema := object(top)
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Configuration of calms-edge"
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(schema)
}

func instrumentSchema() map[string]any {
	channel := object(map[string]any{
		"point":    typed("string", "point of the profile"),
		"name":     typed("string", "channel, unique on the device; default <instrument>-<point>"),
		"interval": typed("string", "a multiple of the instrument's; default the instrument's"),
	})
	channel["required"] = []string{"point"}
	in := object(map[string]any{
		"name":     typed("string", "begins the names of its channels"),
		"profile":  typed("string", "built-in profile, or the path of a .yaml file"),
		"address":  typed("string", "host or host:port; port 502 where missing"),
		"unit":     map[string]any{"type": "integer", "minimum": 0, "maximum": 255, "default": 1, "description": "unit id"},
		"interval": typed("string", "between two reads, such as 1s"),
		"timeout":  typed("string", "of one read, such as 500ms"),
		"channels": arrayOf(channel),
	})
	in["required"] = []string{"name", "profile", "address"}
	return in
}

func (s setting) schema() map[string]any {
	schema := typed("string", fmt.Sprintf("%s. Environment: %s", s.doc, s.env()))
	schema["default"] = s.initial
	return schema
}

func typed(kind, doc string) map[string]any { return map[string]any{"type": kind, "description": doc} }

func arrayOf(items any) map[string]any { return map[string]any{"type": "array", "items": items} }

func object(properties map[string]any) map[string]any {
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}
