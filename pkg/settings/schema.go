package settings

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// WriteSchema writes the JSON Schema (2020-12) of the configuration file, for
// editors and other checkers.
func (t Table) WriteSchema(w io.Writer) error {
	top := map[string]any{}
	sections := map[string]map[string]any{"": top}
	for _, p := range t.Parts {
		top[p.Key] = p.Schema
	}
	for _, s := range t.Settings {
		section, name := split(s.Key)
		if sections[section] == nil {
			sections[section] = map[string]any{}
			top[section] = ObjectSchema(sections[section])
		}
		sections[section][name] = t.schema(s)
	}
	schema := ObjectSchema(top)
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Configuration of " + t.Program
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(schema)
}

func (t Table) schema(s Setting) map[string]any {
	schema := map[string]any{"type": "string", "description": fmt.Sprintf("%s. Environment: %s", s.Doc, t.env(s.Key))}
	if s.Values != nil {
		schema["enum"] = s.Values
	}
	switch initial := s.Default.(type) {
	case []string: // defaults of lists depend on the machine
		schema["type"], schema["items"] = "array", map[string]any{"type": "string"}
	case time.Duration:
		schema["default"] = initial.String()
	default:
		schema["default"] = initial
	}
	return schema
}

// ObjectSchema is the JSON Schema of an object with these properties and no
// others.
func ObjectSchema(properties map[string]any) map[string]any {
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}
