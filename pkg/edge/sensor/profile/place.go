package profile

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/calms"
)

// parser turns the text of one file into a profile and knows where each field
// stands, so that every mistake can be found.
type parser struct {
	file string
	root yaml.Node
}

// trail leads to a field: keys (strings) and list indexes (ints).
type trail []any

func (t trail) field(name string) trail { return append(t[:len(t):len(t)], name) }

// String writes the trail as people do: points[2].address.
func (t trail) String() string {
	var s strings.Builder
	for i, step := range t {
		if index, ok := step.(int); ok {
			fmt.Fprintf(&s, "[%d]", index)
			continue
		}
		if i > 0 {
			s.WriteByte('.')
		}
		fmt.Fprint(&s, step)
	}
	return s.String()
}

// line is where the field stands, or the nearest thing around it that exists.
// 0 means that the file is empty.
func (p *parser) line(at trail) int {
	if len(p.root.Content) == 0 {
		return 0
	}
	node := p.root.Content[0]
	line := node.Line
	for _, step := range at {
		key, value := child(node, step)
		if value == nil {
			break
		}
		node, line = value, key.Line
	}
	return line
}

// child finds the node of one step and the node that carries its line.
func child(node *yaml.Node, step any) (key, value *yaml.Node) {
	switch step := step.(type) {
	case int:
		if node.Kind == yaml.SequenceNode && step < len(node.Content) {
			return node.Content[step], node.Content[step]
		}
	case string:
		if node.Kind != yaml.MappingNode {
			return nil, nil
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
	}
	return nil, nil
}

// trailAt is the field whose key or value stands on a line; the deepest one.
func trailAt(node *yaml.Node, line int) (found trail) {
	var walk func(n *yaml.Node, at trail)
	walk = func(n *yaml.Node, at trail) {
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			here := at.field(n.Content[i].Value)
			if n.Content[i].Line == line || n.Content[i+1].Line == line && n.Content[i+1].Kind == yaml.ScalarNode {
				found = here
			}
			walk(n.Content[i+1], here)
		}
		for i := 0; n.Kind == yaml.SequenceNode && i < len(n.Content); i++ {
			walk(n.Content[i], append(at[:len(at):len(at)], i))
		}
	}
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		walk(node.Content[0], nil)
	}
	return found
}

// The texts of the YAML library that are worth translating.
var (
	lineText    = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)`)
	unknownText = regexp.MustCompile(`^field (.+) not found in type \S+$`)
	goTypeText  = regexp.MustCompile(`cannot unmarshal !!(\w+) (.*?)\s?into (\S+)$`)
)

// syntax rewrites an error of the YAML library in terms of the file: line and
// field in front, no Go types. Only the first of several is reported.
func (p *parser) syntax(err error) error {
	text := err.Error()
	if many, ok := errors.AsType[*yaml.TypeError](err); ok && len(many.Errors) > 0 {
		text = many.Errors[0]
	}
	found := lineText.FindStringSubmatch(text)
	if found == nil {
		return p.mistake(nil, "%s", strings.TrimPrefix(text, "yaml: "))
	}
	line, _ := strconv.Atoi(found[1]) // the pattern admits digits only
	place := fmt.Sprintf("%s:%d: ", p.file, line)
	what := found[2]
	if unknown := unknownText.FindStringSubmatch(what); unknown != nil {
		return invalid(place + strconv.Quote(unknown[1]) + " is not a known field")
	}
	if at := trailAt(&p.root, line); at != nil {
		place += at.String() + ": "
	}
	if wrong := goTypeText.FindStringSubmatch(what); wrong != nil {
		what = fmt.Sprintf("%s is not %s", strings.TrimSpace(wrong[1]+" "+wrong[2]), plainType(wrong[3]))
	}
	return invalid(place + what)
}

// plainType says in words what a field wants.
func plainType(goType string) string {
	switch {
	case strings.HasPrefix(goType, "["):
		return "a list"
	case strings.Contains(goType, "uint"), strings.Contains(goType, "Function"):
		return "a whole number, not negative, that fits"
	case strings.Contains(goType, "int"):
		return "a whole number"
	case strings.Contains(goType, "float"):
		return "a number"
	case goType == "bool":
		return "true or false"
	case goType == "string", strings.HasSuffix(goType, "order"), strings.HasSuffix(goType, "Type"):
		return "a text"
	}
	return "a group of fields"
}

func invalid(text string) error { return calms.Errorf(calms.KindInvalid, "%s", text) }
