package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Output is the form in which a command prints its result: for people, or JSON.
// The zero value is for people.
type Output struct{ json bool }

// Flag adds --output to a command. Other forms than table and json are a wrong
// command line.
func (o *Output) Flag(c *cobra.Command) {
	c.Flags().VarP(o, "output", "o", "output `format`: table or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// JSON reports whether programs read the result.
func (o *Output) JSON() bool { return o.json }

// String is the form's name, for the flag.
func (o *Output) String() string {
	if o.json {
		return "json"
	}
	return "table"
}

// Set takes a form's name, for the flag.
func (o *Output) Set(name string) error {
	if name != "table" && name != "json" {
		return errors.New("it is neither table nor json")
	}
	o.json = name == "json"
	return nil
}

// Type names the flag's type in help.
func (*Output) Type() string { return "format" }

// schema is the number of the JSON shapes that commands print; it grows when a
// shape changes in a way that a reader may notice.
const schema = 1

// PrintJSON prints an object, indented, with the number of its schema as the
// first member.
func PrintJSON(w io.Writer, object any) error {
	encoded, err := json.Marshal(object)
	if err != nil {
		return err
	}
	head := fmt.Sprintf(`{"schema":%d`, schema)
	if string(encoded) != "{}" {
		head += ","
	}
	var out bytes.Buffer
	if err := json.Indent(&out, append([]byte(head), encoded[1:]...), "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, out.String())
	return err
}
