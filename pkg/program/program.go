package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
)

// Program is one program that keeps a data directory.
type Program struct {
	Name    string // "calms-edge"
	Version string // as the linker was told; empty where it was not
	Config  string // configuration file that is read where it exists and none is named; may be empty
}

// EnvPrefix begins the names of the program's environment variables, as in
// CALMS_EDGE.
func (p Program) EnvPrefix() string {
	return strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_"))
}

// VersionText is the version of the program, from the linker or from the module
// and the repository's state that the compiler noted.
func (p Program) VersionText() string {
	if p.Version != "" {
		return p.Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// Run runs the command that the process's arguments name and returns the exit
// code. An error goes to the standard error, with the hint on a line of its own.
func (p Program) Run(root *cobra.Command) int {
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	p.report(os.Stderr, err)
	return calms.KindOf(err).ExitCode()
}

// report tells an error and what to do next.
func (p Program) report(w io.Writer, err error) {
	if !errors.Is(err, errQuiet) {
		fmt.Fprintf(w, "%s: error: %v\n", p.Name, err)
	}
	if hint := calms.HintOf(err); hint != "" {
		fmt.Fprintf(w, "%s: hint: %s\n", p.Name, hint)
	}
}

// errQuiet is in the chain of errors whose text the command has printed already.
var errQuiet = errors.New("reported")

// Quiet is an error of a kind that the command has told already: [Program.Run]
// prints its hint only.
func Quiet(kind calms.Kind) *calms.Error { return calms.Errorf(kind, "%w", errQuiet) }

// Root makes c the top of the program's tree of commands, to which the commands
// completion and version are added.
func (p Program) Root(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	c.Use = p.Name
	c.SilenceErrors, c.SilenceUsage = true, true // report does it
	c.CompletionOptions.DisableDefaultCmd = true
	c.SetFlagErrorFunc(UsageError)
	return Group(c, append(commands, p.newCompletion(), p.newVersion())...)
}

// Group makes a command that only has others below it: alone it shows its help,
// and a wrong word below it is a usage error.
func Group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	c.Args = ExactArgs(0)
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.AddCommand(commands...)
	return c
}

// ExactArgs is [cobra.ExactArgs] whose error is a [UsageError].
func ExactArgs(n int) cobra.PositionalArgs {
	check := cobra.ExactArgs(n)
	if n == 0 {
		check = cobra.NoArgs // it says which word is wrong
	}
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return UsageError(c, err)
		}
		return nil
	}
}

// UsageError is err as a wrong command line for c: [calms.KindUsage], with the
// command's help as the hint.
func UsageError(c *cobra.Command, err error) error {
	return calms.Errorf(calms.KindUsage, "%w", err).WithHint("%s --help", c.CommandPath())
}
