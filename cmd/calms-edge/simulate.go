package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor/profile"
	"go.calms.com/calms/pkg/edge/sensor/simulate"
	"go.calms.com/calms/pkg/program"
)

func newSimulate() *cobra.Command {
	o := simulate.Options{}
	var name string
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Serve an instrument as a Modbus TCP device, and log what it served",
		Long: `Serves an instrument of a profile until it is stopped. Every value is logged before
it is sent, one JSON object a line: the log is what the cloud's data can be compared
with. The address that it listens on is printed first.`,
		Example: `  calms-edge simulate --profile suto-s430 --listen 127.0.0.1:5020 --log flow.jsonl
  calms-edge simulate --profile ./my-meter.yaml --listen 127.0.0.1:0 --log meter.jsonl --seed 7`,
		Args: program.ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if name == "" || o.Log == "" {
				return program.UsageError(c, fmt.Errorf("--profile and --log are needed"))
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return serveInstrument(ctx, c, name, o)
		},
	}
	c.Flags().StringVar(&name, "profile", "", "`name` of a built-in profile, or the path of a .yaml file (needed)")
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:5020", "`address` to listen on; port 0 takes a free one")
	c.Flags().StringVar(&o.Log, "log", "", "`file` that what was served is appended to (needed)")
	c.Flags().Uint8Var(&o.Unit, "unit", 1, "unit `id`")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "`number` that the values follow from")
	_ = c.RegisterFlagCompletionFunc("profile", cobra.FixedCompletions(profile.List(), cobra.ShellCompDirectiveDefault))
	return c
}

func serveInstrument(ctx context.Context, c *cobra.Command, name string, o simulate.Options) (err error) {
	if o.Profile, err = profile.Load(name); err != nil {
		return err
	}
	server, err := simulate.Start(o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.OutOrStdout(), "%s on %s\n", o.Profile.Name, server.Address()); err != nil {
		return err
	}
	<-ctx.Done()
	return calms.Wrap("stop", server.Close())
}
