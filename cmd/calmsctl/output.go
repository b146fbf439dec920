package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// output is the standard output. It remembers its first error: most results are
// written by calls whose errors nobody looks at, and [app.report] asks once.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(data []byte) (int, error) {
	n, err := o.w.Write(data)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// lost is what a command fails with whose result did not come out.
func (o *output) lost() error {
	if o.err == nil {
		return nil
	}
	return calms.Errorf(calms.KindInternal, "the output is not complete: %w", o.err)
}

// format is how a result is printed.
type format string

const (
	formatTable format = "table"
	formatWide  format = "wide"
	formatJSON  format = "json"
	formatLines format = "jsonl"
	formatYAML  format = "yaml"
	formatName  format = "name"
)

func formats() []string { return []string{"table", "wide", "json", "jsonl", "yaml", "name"} }

func parseFormat(text string) (format, error) {
	if !slices.Contains(formats(), text) {
		return "", calms.Errorf(calms.KindUsage, "output %q is not one of %s", text, strings.Join(formats(), ", ")).
			WithHint("calmsctl help output")
	}
	return format(text), nil
}

func (a *app) format() format { return format(a.settings.GetString("output")) }

func (a *app) wantsJSON() bool { return a.format() == formatJSON || a.format() == formatLines }

// view is how people see things of one kind; programs see the API's own shape.
type view[T any] struct {
	columns []column[T]
	name    func(T) string
	none    string              // said where a list is empty
	more    func(*app, T) error // what follows when one thing is shown; may be nil
}

// printList prints things: a table with a row for each, or {"schema", "items"}.
func printList[T any](a *app, v view[T], items []T) error {
	if items == nil {
		items = []T{}
	}
	switch f := a.format(); f {
	case formatJSON, formatYAML:
		return a.printDocument(f, api.Page[T]{Items: items})
	case formatLines:
		return printLines(a.stdout, items)
	case formatName:
		return printNames(a.stdout, v, items)
	}
	if len(items) == 0 {
		a.note("%s", v.none)
		return nil
	}
	return a.printTable(rowsOf(a, v, items))
}

// printOne prints one thing: its fields one below the other, or its JSON.
func printOne[T any](a *app, v view[T], item T) error {
	switch f := a.format(); f {
	case formatJSON, formatYAML:
		return a.printDocument(f, item)
	case formatLines:
		return printLines(a.stdout, []T{item})
	case formatName:
		return printNames(a.stdout, v, []T{item})
	}
	if err := a.printFields(fieldsOf(a, v, item)); err != nil {
		return err
	}
	if v.more != nil {
		return v.more(a, item)
	}
	return nil
}

func printNames[T any](w io.Writer, v view[T], items []T) error {
	for _, item := range items {
		if _, err := fmt.Fprintln(w, v.name(item)); err != nil {
			return err
		}
	}
	return nil
}

// printLines prints one object of the API a line, and nothing around it.
func printLines[T any](w io.Writer, items []T) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, item := range items {
		if err := encoder.Encode(item); err != nil {
			return err
		}
	}
	return nil
}

// printDocument prints one document: the value with the number of its schema as
// the first member.
func (a *app) printDocument(f format, value any) error {
	document, err := withSchema(value)
	if err != nil {
		return err
	}
	if f == formatYAML {
		return writeYAML(a.stdout, document)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, document, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, out.String())
	return err
}

func withSchema(value any) ([]byte, error) {
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	rest := bytes.TrimSpace(encoded.Bytes())[1:]
	head := fmt.Sprintf(`{"schema":%d`, api.Schema)
	if string(rest) != "}" {
		head += ","
	}
	return append([]byte(head), rest...), nil
}

// writeYAML prints JSON as YAML with the members in the same order.
func writeYAML(w io.Writer, document []byte) error {
	var node yaml.Node
	if err := yaml.Unmarshal(document, &node); err != nil {
		return err
	}
	blockStyle(&node)
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return err
	}
	return encoder.Close()
}

func blockStyle(node *yaml.Node) {
	node.Style &^= yaml.FlowStyle | yaml.DoubleQuotedStyle
	for _, child := range node.Content {
		blockStyle(child)
	}
}
