package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// app is what every command has at hand.
type app struct {
	stdin    *os.File
	stdout   *output
	stderr   io.Writer
	settings *viper.Viper
	config   *config // the configuration file, read before a command runs
	path     string  // where it lies
	terminal terminal
	now      func() time.Time
}

func newApp() *app {
	return &app{
		stdin: os.Stdin, stdout: &output{w: os.Stdout}, stderr: os.Stderr,
		settings: viper.New(), config: &config{}, terminal: detectTerminal(), now: time.Now,
	}
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "calmsctl",
		Short:         "Watch compressed-air stations from the command line",
		Long:          "calmsctl does everything an operator does with a CALMS cloud: organisations, sites and\ntheir devices, measured data, backups, and bringing the cloud back from one.",
		Example:       "calmsctl context create main --operator-file operator.yaml\ncalmsctl status\ncalmsctl data plot acme/ljubljana/comp-3/flow --from -6h",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          onlySubcommands,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		PersistentPreRunE: func(*cobra.Command, []string) error { return a.load() },
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	bindSettings(a.settings, root.PersistentFlags())
	_ = root.RegisterFlagCompletionFunc("output", fixed(formats()...))
	_ = root.RegisterFlagCompletionFunc("context", a.completeContexts)
	root.SetOut(a.stdout)
	root.SetHelpFunc(writeHelp)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%w", err) })
	root.AddCommand(
		newContext(a), newOrg(a), newSite(a), newDevice(a), newChannel(a), newData(a),
		newBackup(a), newKey(a), newRestore(a), newAlarm(a), newStatus(a), newDemo(a), newVersion(a), newCompletion(),
	)
	root.AddCommand(topics()...)
	return root
}

// load reads the configuration file and checks the settings that every command
// shares.
func (a *app) load() error {
	path, err := configPath(a.settings.GetString("config"))
	if err != nil {
		return err
	}
	a.path = path
	if a.config, err = readConfig(path); err != nil {
		return err
	}
	if err := a.settings.MergeConfigMap(a.config.settings()); err != nil {
		return calms.Wrap("read "+path, err)
	}
	if limit, err := time.ParseDuration(a.settings.GetString("timeout")); err != nil || limit <= 0 {
		return calms.Errorf(calms.KindUsage, "timeout %q is not a time such as 30s or 2m", a.settings.GetString("timeout"))
	}
	_, err = parseFormat(a.settings.GetString("output"))
	return err
}

// client is a client of the cloud that the context, or flags and environment,
// name.
func (a *app) client() (*api.Client, error) {
	config, err := a.target()
	if err != nil {
		return nil, err
	}
	config.Timeout = a.settings.GetDuration("timeout")
	config.Version = programVersion()
	config.OnSkew = func(server string) {
		a.warn("the cloud runs version %s, this program is %s", server, config.Version)
	}
	return api.NewClient(config)
}

// target puts together where to go and as whom: what is given for this call
// stands above the context.
func (a *app) target() (api.Config, error) {
	var target api.Config
	if name := a.settings.GetString("context"); name != "" {
		var err error
		if target, err = a.config.target(a.path, name); err != nil {
			return target, err
		}
	}
	if url := a.settings.GetString("url"); url != "" {
		// A context's key is for the context's cloud, and goes to no other.
		target = api.Config{URL: url, CA: target.CA}
	}
	if file := a.settings.GetString("ca-file"); file != "" {
		roots, err := os.ReadFile(file)
		if err != nil {
			return target, calms.Errorf(calms.KindInvalid, "read roots: %w", err)
		}
		target.CA = roots
	}
	key, err := a.key()
	if err != nil {
		return target, err
	}
	if key != "" {
		target.Key = key
	}
	if target.URL == "" {
		return target, calms.Errorf(calms.KindInvalid, "no cloud is chosen: there is no context").
			WithHint("calmsctl context create NAME --operator-file FILE")
	}
	return target, nil
}

// key is the operator's key where it does not come from the context.
func (a *app) key() (string, error) {
	if !a.settings.GetBool("key-stdin") {
		return a.settings.GetString("key"), nil
	}
	key, err := a.readFile("-")
	return string(bytes.TrimSpace(key)), err
}

// maxFile bounds what is read as a key, a ticket or an operator file.
const maxFile = 1 << 20

// readFile reads a small file; "-" is the standard input.
func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		if a.terminal.stdin {
			return nil, calms.Errorf(calms.KindUsage, "the standard input is a terminal, a file is expected there").
				WithHint("redirect it: … < FILE")
		}
		return io.ReadAll(io.LimitReader(a.stdin, maxFile))
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "%w", err)
	}
	defer file.Close()
	a.warnIfShared(file)
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// noArgs is the check of arguments for commands that take none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(cmd, "%q is one argument too many", args[0])
	}
	return nil
}

// onlySubcommands is the check of arguments for commands that only hold others.
func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := usage(cmd, "there is no command %q in %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return err.WithHint("%s %s", cmd.CommandPath(), strings.Join(near, ", "))
	}
	return err
}
