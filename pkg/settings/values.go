package settings

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/calms"
)

// Values are the settings in force, checked. They do not change and are safe
// for concurrent use.
type Values struct {
	Digest [32]byte // SHA-256 of the file; zero where there is none

	table Table
	viper *viper.Viper
}

// Text is the value of a key as text.
func (v *Values) Text(key string) string { return v.viper.GetString(key) }

// Duration is the value of a key that a duration's check has passed.
func (v *Values) Duration(key string) time.Duration { return v.viper.GetDuration(key) }

// Bytes is the value of a key that a size's check has passed; 0 where it is
// empty.
func (v *Values) Bytes(key string) int64 {
	n, _ := ParseSize(v.Text(key)) // 0 with the error of an empty text
	return n
}

// Into sets the fields of a structure, by name and whatever the case, sections
// being structures in it. A setting without a field is an error.
func (v *Values) Into(structure any) error {
	return calms.Wrap("read configuration", v.viper.UnmarshalExact(structure))
}

// texts is a value in text form: one, or each of a list.
func (v *Values) texts(s Setting) []string {
	switch value := v.viper.Get(s.Key).(type) {
	case []string:
		return value
	case []any: // a list that viper has merged
		texts := make([]string, len(value))
		for i, element := range value {
			texts[i] = fmt.Sprint(element)
		}
		return texts
	default:
		text := fmt.Sprint(value)
		if s.isList() {
			return strings.Split(text, ",") // as Into does
		}
		return []string{text}
	}
}

// printable is a value as one writes it in a file.
func (v *Values) printable(s Setting) any {
	if s.isList() {
		return v.texts(s)
	}
	if _, is := s.Default.(time.Duration); is {
		return v.Duration(s.Key).String()
	}
	return v.Text(s.Key)
}

// Document is the settings in force as the mapping of a configuration file, with
// their meanings as comments. The caller may append to it.
func (v *Values) Document() (*yaml.Node, error) {
	top := &yaml.Node{Kind: yaml.MappingNode}
	sections := map[string]*yaml.Node{"": top}
	for _, s := range v.table.Settings {
		section, name := split(s.Key)
		if sections[section] == nil {
			sections[section] = &yaml.Node{Kind: yaml.MappingNode}
			top.Content = append(top.Content, KeyNode(section, ""), sections[section])
		}
		var value yaml.Node
		if err := value.Encode(v.printable(s)); err != nil {
			return nil, err
		}
		value.Style = yaml.FlowStyle
		sections[section].Content = append(sections[section].Content, KeyNode(name, s.Doc), &value)
	}
	return top, nil
}

// Show writes the settings in force as a configuration file.
func (v *Values) Show(w io.Writer) error {
	document, err := v.Document()
	if err != nil {
		return err
	}
	return WriteYAML(w, document)
}

// KeyNode is a key of a configuration file with a comment above it, unless that
// is empty.
func KeyNode(name, comment string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: name, HeadComment: comment}
}

// WriteYAML writes a configuration file.
func WriteYAML(w io.Writer, document *yaml.Node) error {
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return err
	}
	return encoder.Close()
}
