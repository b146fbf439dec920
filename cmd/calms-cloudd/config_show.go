package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// value is what a setting came to, found in c by the setting's key.
func (c config) value(key string) any {
	field := reflect.ValueOf(c)
	for name := range strings.SplitSeq(key, ".") {
		field = field.FieldByNameFunc(func(f string) bool { return strings.EqualFold(f, name) })
	}
	return field.Interface()
}

// show writes the settings in force as a configuration file with comments.
func (c config) show(w io.Writer) error {
	top := &yaml.Node{Kind: yaml.MappingNode}
	sections := map[string]*yaml.Node{}
	for _, s := range settings() {
		section, name, _ := strings.Cut(s.key, ".")
		if sections[section] == nil {
			sections[section] = &yaml.Node{Kind: yaml.MappingNode}
			top.Content = append(top.Content, scalar(section, ""), sections[section])
		}
		var value yaml.Node
		if err := value.Encode(printable(c.value(s.key))); err != nil {
			return err
		}
		value.Style = yaml.FlowStyle
		sections[section].Content = append(sections[section].Content, scalar(name, s.doc), &value)
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(top); err != nil {
		return err
	}
	return encoder.Close()
}

func scalar(text, comment string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: text, HeadComment: comment}
}

// printable is a value as one writes it in a file.
func printable(value any) any {
	if d, ok := value.(time.Duration); ok {
		return d.String()
	}
	return value
}

// writeSchema writes the JSON Schema (2020-12) of the configuration file, for
// editors and other checkers.
func writeSchema(w io.Writer) error {
	sections := map[string]any{}
	for _, s := range settings() {
		section, name, _ := strings.Cut(s.key, ".")
		if sections[section] == nil {
			sections[section] = object(map[string]any{})
		}
		sections[section].(map[string]any)["properties"].(map[string]any)[name] = s.schema()
	}
	schema := object(sections)
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Configuration of calms-cloudd"
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(schema)
}

func object(properties map[string]any) map[string]any {
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

func (s setting) schema() map[string]any {
	schema := map[string]any{
		"type":        "string",
		"description": fmt.Sprintf("%s. Environment: %s", s.doc, s.env()),
		"default":     printable(s.initial),
	}
	if s.values != nil {
		schema["enum"] = s.values
	}
	if _, list := s.initial.([]string); list {
		schema["type"] = "array"
		schema["items"] = map[string]any{"type": "string"}
		delete(schema, "default") // it has this machine's name in it
	}
	return schema
}
