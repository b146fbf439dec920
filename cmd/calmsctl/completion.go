package main

import (
	"context"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/program"
)

//go:generate sh -c "go run . completion bash > ../../completions/calmsctl.bash"
//go:generate sh -c "go run . completion zsh > ../../completions/_calmsctl"
//go:generate sh -c "go run . completion fish > ../../completions/calmsctl.fish"
//go:generate sh -c "go run . completion powershell > ../../completions/calmsctl.ps1"

func newCompletion() *cobra.Command {
	return spec{
		use:   "completion bash|zsh|fish|powershell",
		short: "Print the completion script of a shell",
		long: `Prints the script that makes a shell complete commands, flags, and the names of what
is in the cloud. Packages install it; by hand:

  bash        cd ~/.local/share/bash-completion/completions
              calmsctl completion bash > calmsctl
  zsh         calmsctl completion zsh > "${fpath[1]}/_calmsctl"
  fish        calmsctl completion fish > ~/.config/fish/completions/calmsctl.fish
  powershell  calmsctl completion powershell | Out-String | Invoke-Expression`,
		example:  "calmsctl completion bash\nsource <(calmsctl completion bash)",
		args:     cobra.ExactArgs(1),
		complete: first(fixed(program.Shells()...)),
		run: func(_ context.Context, cmd *cobra.Command, args []string) error {
			return program.WriteCompletion(cmd.OutOrStdout(), cmd.Root(), args[0])
		},
	}.command()
}
