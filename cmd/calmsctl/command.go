package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// spec is a command that does something. All of them are made by [spec.command],
// so that none lacks examples or the section on exit status.
type spec struct {
	use      string
	aliases  []string
	short    string
	long     string // what the short text leaves open; may be empty
	example  string // mandatory, one command per line
	args     cobra.PositionalArgs
	complete cobra.CompletionFunc
	exits    []calms.Kind // the kinds of failure beyond those of every command
	run      func(ctx context.Context, cmd *cobra.Command, args []string) error
}

// asking makes the run of a command that asks the cloud.
func (a *app) asking(run func(ctx context.Context, client *api.Client, cmd *cobra.Command, args []string) error) func(context.Context, *cobra.Command, []string) error {
	return func(ctx context.Context, cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		defer client.Close()
		return run(ctx, client, cmd, args)
	}
}

// annotations of commands, read by help and report.
const (
	exitsAnnotation   = "exits"
	startedAnnotation = "started"
)

func (s spec) command() *cobra.Command {
	cmd := &cobra.Command{
		Use: s.use, Aliases: s.aliases, Short: s.short, Long: s.long, Example: s.example,
		Args: s.args, ValidArgsFunction: s.complete,
		Annotations: map[string]string{exitsAnnotation: joinKinds(s.exits)},
	}
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.Annotations[startedAnnotation] = "yes"
		return s.run(cmd.Context(), cmd, args)
	}
	return cmd
}

// started tells whether the command line was understood and the command began.
func started(cmd *cobra.Command) bool { return cmd.Annotations[startedAnnotation] != "" }

// group is a command that only holds others.
func group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: onlySubcommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// paths checks that every argument names a thing of one of the levels.
func paths(least, most int, levels ...calms.Level) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.RangeArgs(least, most)(cmd, args); err != nil {
			return err
		}
		for _, arg := range args {
			if err := pathAt(arg, levels...); err != nil {
				return usage(cmd, "%w", err)
			}
		}
		return nil
	}
}

// mustExist asks for the thing that a path names: the cloud answers for a path
// that nobody knows as it does for one without data. Who may not see the thing
// itself may see what lies in it.
func mustExist(ctx context.Context, client *api.Client, path calms.Path) error {
	word, err := "", error(nil)
	switch path.Level() {
	case calms.LevelRoot:
		return nil
	case calms.LevelOrganisation:
		word = "org"
		_, err = client.GetOrg(ctx, path)
	case calms.LevelSite:
		word = "site"
		_, err = client.GetSite(ctx, path)
	case calms.LevelDevice:
		word = "device"
		_, err = client.GetDevice(ctx, path)
	default:
		word = "channel"
		_, err = client.GetChannel(ctx, path)
	}
	switch {
	case err == nil, calms.KindOf(err) == calms.KindForbidden:
		return nil
	case calms.KindOf(err) == calms.KindNotFound:
		return calms.Errorf(calms.KindNotFound, "there is no %s %s: %w", path.Level(), path, err).
			WithHint("%s", strings.TrimSpace("calmsctl "+word+" list "+string(path.Parent())))
	}
	return err
}

// pathAt is [calms.ParsePathAt] for several levels; none given allows all.
func pathAt(text string, levels ...calms.Level) error {
	if len(levels) == 1 {
		_, err := calms.ParsePathAt(text, levels[0])
		return err
	}
	_, err := calms.ParsePath(text)
	return err
}
