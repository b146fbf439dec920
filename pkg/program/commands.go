package program

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
)

func (p Program) newVersion() *cobra.Command {
	var output Output
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the program's version",
		Example: p.examples("version", "version -o json"),
		Args:    ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if output.JSON() {
				return PrintJSON(c.OutOrStdout(), map[string]string{"version": p.VersionText()})
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), p.Name, p.VersionText())
			return err
		},
	}
	output.Flag(c)
	return c
}

// examples are command lines of the program as help shows them.
func (p Program) examples(lines ...string) string {
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "\n  %s %s", p.Name, line)
	}
	return strings.TrimPrefix(text.String(), "\n")
}

// NewHealth is the command health, which asks the daemon of a data directory
// whether it is ready: probe's error says why it is not.
func (p Program) NewHealth(probe func(ctx context.Context, dataDir string) error) *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:     "health",
		Short:   "Ask the daemon of this machine whether it is ready",
		Long:    `Exit status: 0 ready; 7 no daemon answers; 8 a daemon answers and is not ready.`,
		Example: p.examples("health", "health --data "+p.rootDataDir()),
		Args:    ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := p.DataDir(data)
			if err != nil {
				return err
			}
			if err := probe(c.Context(), dir); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "ready")
			return err
		},
	}
	p.DataFlag(c, &data)
	return c
}

// Shells are those that [WriteCompletion] knows.
func Shells() []string { return []string{"bash", "zsh", "fish", "powershell"} }

// WriteCompletion writes the script that makes a shell complete the commands of
// root. Another shell than [Shells] is [calms.KindUsage].
func WriteCompletion(w io.Writer, root *cobra.Command, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(w)
	}
	return calms.Errorf(calms.KindUsage, "there is no completion for %q: %s", shell, strings.Join(Shells(), ", ")).
		WithHint("%s completion --help", root.Name())
}

func (p Program) newCompletion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion " + strings.Join(Shells(), "|"),
		Short: "Print the completion script of a shell",
		Example: p.examples("completion bash > ~/.local/share/bash-completion/completions/"+p.Name) +
			"\n  source <(" + p.Name + " completion bash)",
		Args:      ExactArgs(1),
		ValidArgs: Shells(),
		RunE: func(c *cobra.Command, args []string) error {
			return WriteCompletion(c.OutOrStdout(), c.Root(), args[0])
		},
	}
}
