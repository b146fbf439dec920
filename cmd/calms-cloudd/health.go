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
		Short: "Ask the daemon of this machine whether it is ready",
		Long:  `Exit status: 0 ready; 7 no daemon answers; 8 a daemon answers and is not ready.`,
		Example: `  calms-cloudd health
  calms-cloudd health --data /var/lib/calms-cloudd`,
		Args: noArgs,
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
