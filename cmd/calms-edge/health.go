package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/daemon"
)

func newHealth() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "health",
		Short: "Ask the edge on this machine whether it runs",
		Long: `Exit status: 0 it runs and measures; 7 none answers; 8 it is starting or stopping.
Whether the cloud can be reached is another question: calms-edge status.`,
		Example: `  calms-edge health
  calms-edge health --data /var/lib/calms-edge`,
		Args: exactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := dataDir(data)
			if err != nil {
				return err
			}
			if err := daemon.Probe(c.Context(), dir); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "ready")
			return err
		},
	}
	dataFlag(c, &data)
	return c
}
