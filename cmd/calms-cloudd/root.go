package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
)

const program = "calms-cloudd"

// newRoot is the tree of commands.
func newRoot() *cobra.Command {
	root := group(&cobra.Command{
		Use:   program,
		Short: "The CALMS cloud in one process",
		Long: `calms-cloudd watches compressed-air stations: it takes sealed batches from edges
exactly once, keeps their history, and knows its fleet, its certificates and its
backups. Without any configuration "calms-cloudd serve" is a complete cloud.`,
		Example: `  calms-cloudd serve
  calms-cloudd config show
  calms-cloudd health`,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError(c, err) })
	root.AddCommand(newServe(), newConfig(), newHealth(), newAuthority(), newVersion())
	return root
}

// group makes a command that only has others below it: alone it shows its help,
// and a wrong word below it is a usage error.
func group(c *cobra.Command) *cobra.Command {
	c.Args = noArgs
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

func noArgs(c *cobra.Command, args []string) error {
	if err := cobra.NoArgs(c, args); err != nil {
		return usageError(c, err)
	}
	return nil
}

func usageError(c *cobra.Command, err error) error {
	return calms.Errorf(calms.KindUsage, "%w", err).WithHint("%s --help", c.CommandPath())
}

// dataFlag adds --data. Its default is found when the command runs.
func dataFlag(c *cobra.Command, data *string) {
	c.Flags().StringVar(data, "data", "", "data `directory` (default "+rootDataDir+" for root, else in the XDG state directory; CALMS_CLOUDD_DATA)")
	_ = c.MarkFlagDirname("data")
}

// configFlag adds --config.
func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "", "configuration `file` (CALMS_CLOUDD_CONFIG); none is needed")
	_ = c.MarkFlagFilename("config", "yaml", "yml")
}

const rootDataDir = "/var/lib/calms-cloudd"

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

// configFile is the configuration file that a flag or the environment names;
// empty is none.
func configFile(flag string) string {
	if flag == "" {
		return os.Getenv(envPrefix + "_CONFIG")
	}
	return flag
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the program's version",
		Example: "  calms-cloudd version",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), program, versionText())
			return err
		},
	}
}
