package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"go.calms.com/calms/cmd/calmsctl/demo"
	"go.calms.com/calms/pkg/calms"
)

func newDemo(a *app) *cobra.Command {
	cmd := spec{
		use:   "demo",
		short: "See the whole story on this machine",
		long: `Starts a cloud and three edges with simulated instruments on this machine, by the
commands an engineer types, and shows them. Cuts one site's link, makes a backup,
destroys the cloud, restores it, and proves against the instruments' own logs that
nothing is missing and nothing is double. Then all is left running until Ctrl-C.

calms-cloudd and calms-edge are expected beside calmsctl. Nothing outside the demo's
directory is touched, and only loopback addresses are used.`,
		example: "calmsctl demo\ncalmsctl demo --dir /tmp/calms-demo --exit",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindNotFound, calms.KindConflict},
		run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			dir, _ := cmd.Flags().GetString("dir")
			exit, _ := cmd.Flags().GetBool("exit")
			self, err := os.Executable()
			if err != nil {
				return calms.Wrap("find this program", err)
			}
			return demo.Run(ctx, demo.Options{
				Bin: filepath.Dir(self), Dir: dir, Stay: !exit, Colour: a.colors(),
				Out: os.Stdout, // the file itself: the commands shall see the terminal
			})
		},
	}.command()
	cmd.Flags().String("dir", "", "new or empty `directory` to keep everything in (default a new temporary one)")
	cmd.Flags().Bool("exit", false, "end when the story is told")
	return cmd
}
