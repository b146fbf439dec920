package program

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Configuration is what the command config asks of a program. A file may be
// empty for none.
type Configuration struct {
	// Check reads the configuration and counts by name what it holds beside
	// settings; nil where there is nothing to count.
	Check func(file string) (holds map[string]int, err error)
	// Show writes the settings in force as a configuration file.
	Show func(w io.Writer, file string) error
	// Schema writes the JSON Schema of the configuration file.
	Schema func(w io.Writer) error
}

// NewConfig is the command config with check, show and schema below it.
func (p Program) NewConfig(of Configuration) *cobra.Command {
	return Group(&cobra.Command{
		Use:     "config",
		Short:   "Check and show the configuration",
		Example: p.examples("config show > "+p.sampleFile(), "config check --config "+p.sampleFile()),
	}, p.newConfigCheck(of), p.newConfigShow(of), p.newConfigSchema(of))
}

// sampleFile is a configuration file's name for examples: "edge.yaml".
func (p Program) sampleFile() string { return strings.TrimPrefix(p.Name, "calms-") + ".yaml" }

func (p Program) newConfigCheck(of Configuration) *cobra.Command {
	var file string
	var output Output
	c := &cobra.Command{
		Use:     "check",
		Short:   "Check the configuration: exit status 0 when it is valid, 1 when not",
		Example: p.examples("config check --config /etc/calms/"+p.sampleFile(), "config check -o json"),
		Args:    ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			name := p.ConfigFile(file)
			holds, err := of.Check(name)
			if err != nil {
				return err
			}
			return printValid(c.OutOrStdout(), output.JSON(), name, holds)
		},
	}
	p.ConfigFlag(c, &file)
	output.Flag(c)
	return c
}

func printValid(w io.Writer, asJSON bool, file string, holds map[string]int) error {
	object, text := map[string]any{"valid": true, "file": file}, ""
	for name, n := range holds {
		object[name] = n
		text += fmt.Sprintf(": %d %s", n, name)
	}
	if asJSON {
		return PrintJSON(w, object)
	}
	_, err := fmt.Fprintln(w, "the configuration is valid"+text)
	return err
}

func (p Program) newConfigShow(of Configuration) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "show",
		Short:   "Print the settings in force: environment over file over default",
		Long:    "Prints a configuration file with the settings in force, to begin one with.",
		Example: p.examples("config show > "+p.sampleFile()) + "\n  " + p.EnvPrefix() + "_LOG_LEVEL=debug " + p.Name + " config show",
		Args:    ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return of.Show(c.OutOrStdout(), p.ConfigFile(file))
		},
	}
	p.ConfigFlag(c, &file)
	return c
}

func (p Program) newConfigSchema(of Configuration) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of the configuration file",
		Example: p.examples("config schema > " + strings.TrimSuffix(p.sampleFile(), "yaml") + "schema.json"),
		Args:    ExactArgs(0),
		RunE:    func(c *cobra.Command, _ []string) error { return of.Schema(c.OutOrStdout()) },
	}
}
