package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
)

const program = "calms-edge"

// newRoot is the tree of commands.
func newRoot() *cobra.Command {
	root := group(&cobra.Command{
		Use:   program,
		Short: "The CALMS edge: reads instruments, keeps what it read, brings it to the cloud",
		Long: `calms-edge stands beside a compressed-air station. It reads instruments at the
multiples of their intervals, seals what it read to the cloud's key, keeps it in a
journal on disk, and brings it to the cloud whenever there is a way to.

Exit status: 0 done; 1 error; 3 some checks failed; 4 not allowed; 5 not found or
not enrolled; 6 conflict or in use; 7 unreachable or too late; 8 not ready;
64 wrong usage; 130 interrupted.`,
		Example: `  calms-edge enroll --ticket-file ticket
  calms-edge run --config edge.yaml
  calms-edge status
  calms-edge doctor`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	})
	root.SetFlagErrorFunc(usageError)
	root.AddCommand(newEnroll(), newRun(), newStatus(), newDoctor(), newConfig(), newJournal(),
		newSimulate(), newHealth(), newCompletion(), newVersion())
	return root
}

// group makes a command that only has others below it: alone it shows its help,
// and a wrong word below it is a usage error.
func group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	c.Args = exactArgs(0)
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.AddCommand(commands...)
	return c
}

// exactArgs is [cobra.ExactArgs] with our kind of error.
func exactArgs(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		check := cobra.ExactArgs(n)
		if n == 0 {
			check = cobra.NoArgs
		}
		if err := check(c, args); err != nil {
			return usageError(c, err)
		}
		return nil
	}
}

func usageError(c *cobra.Command, err error) error {
	return calms.Errorf(calms.KindUsage, "%w", err).WithHint("%s --help", c.CommandPath())
}

// dataFlag adds --data. Its default is found when the command runs.
func dataFlag(c *cobra.Command, data *string) {
	c.Flags().StringVar(data, "data", "", "data `directory` (default "+rootDataDir+" for root, else in the XDG state directory; CALMS_EDGE_DATA)")
	_ = c.MarkFlagDirname("data")
}

// configFlag adds --config.
func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "", "configuration `file` (default "+rootConfig+" where it is there; CALMS_EDGE_CONFIG)")
	_ = c.MarkFlagFilename("config", "yaml", "yml")
}

// outputFlag adds --output, checked by the command with [wantsJSON].
func outputFlag(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", "table", "output `format`: table or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// wantsJSON reads the flag of [outputFlag].
func wantsJSON(c *cobra.Command, output string) (bool, error) {
	if output != "table" && output != "json" {
		return false, usageError(c, fmt.Errorf("output %q is neither table nor json", output))
	}
	return output == "json", nil
}

const (
	rootDataDir = "/var/lib/calms-edge"
	rootConfig  = "/etc/calms/edge.yaml"
)

// dataDir is the data directory that a flag, the environment or the default
// names, as an absolute path.
func dataDir(flag string) (string, error) {
	if flag == "" {
		flag = os.Getenv(envPrefix + "_DATA")
	}
	if flag != "" {
		dir, err := filepath.Abs(flag)
		return dir, calms.Wrap("find data directory", err)
	}
	if os.Geteuid() == 0 {
		return rootDataDir, nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, program), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", calms.Errorf(calms.KindInvalid, "find data directory: %w", err).WithHint("name one: --data DIR")
	}
	return filepath.Join(home, ".local", "state", program), nil
}

// configFile is the configuration file that a flag, the environment or the
// default names; empty is none.
func configFile(flag string) string {
	if flag == "" {
		flag = os.Getenv(envPrefix + "_CONFIG")
	}
	if _, err := os.Stat(rootConfig); flag == "" && err == nil {
		return rootConfig
	}
	return flag
}

// The places in a data directory.
func identityDir(data string) string { return filepath.Join(data, "identity") }
func stateDir(data string) string    { return filepath.Join(data, "state") }
func importDir(data string) string   { return filepath.Join(data, "import") }
func journalFile(data string) string { return filepath.Join(data, "journal.db") }

func newVersion() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the program's version",
		Example: `  calms-edge version
  calms-edge version -o json`,
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			asJSON, err := wantsJSON(c, output)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]string{"version": versionText()})
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), program, versionText())
			return err
		},
	}
	outputFlag(c, &output)
	return c
}

func newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print the completion script of a shell",
		Example: `  calms-edge completion bash > ~/.local/share/bash-completion/completions/calms-edge
  source <(calms-edge completion bash)`,
		Args:      exactArgs(1),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			root, out := c.Root(), c.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return usageError(c, fmt.Errorf("there is no completion for %q: %s", args[0], strings.Join(shells, ", ")))
		},
	}
}
