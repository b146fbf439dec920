package program

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
)

// DataFlag adds --data, which [Program.DataDir] reads.
func (p Program) DataFlag(c *cobra.Command, data *string) {
	c.Flags().StringVar(data, "data", "", "data `directory` (default "+p.rootDataDir()+" for root, else in the XDG state directory; "+p.EnvPrefix()+"_DATA)")
	_ = c.MarkFlagDirname("data")
}

// ConfigFlag adds --config, which [Program.ConfigFile] reads.
func (p Program) ConfigFlag(c *cobra.Command, file *string) {
	otherwise := "none is needed"
	if p.Config != "" {
		otherwise = "default " + p.Config + " where it is there"
	}
	c.Flags().StringVar(file, "config", "", "configuration `file` ("+otherwise+"; "+p.EnvPrefix()+"_CONFIG)")
	_ = c.MarkFlagFilename("config", "yaml", "yml")
}

func (p Program) rootDataDir() string { return "/var/lib/" + p.Name }

// DataDir is the data directory that a flag, the environment or the default
// names, as an absolute path. It need not exist.
func (p Program) DataDir(flag string) (string, error) {
	if flag == "" {
		flag = os.Getenv(p.EnvPrefix() + "_DATA")
	}
	if flag != "" {
		dir, err := filepath.Abs(flag)
		return dir, calms.Wrap("find data directory", err)
	}
	if os.Geteuid() == 0 {
		return p.rootDataDir(), nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, p.Name), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", calms.Errorf(calms.KindInvalid, "find data directory: %w", err).WithHint("name one: --data DIR")
	}
	return filepath.Join(home, ".local", "state", p.Name), nil
}

// ConfigFile is the configuration file that a flag, the environment or the
// default names; empty is none.
func (p Program) ConfigFile(flag string) string {
	if flag == "" {
		flag = os.Getenv(p.EnvPrefix() + "_CONFIG")
	}
	if flag != "" || p.Config == "" {
		return flag
	}
	if _, err := os.Stat(p.Config); err != nil {
		return ""
	}
	return p.Config
}
