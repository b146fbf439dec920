package main

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/daemon"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/program"
)

func newRun() *cobra.Command {
	var data, file string
	c := &cobra.Command{
		Use:   "run",
		Short: "Read the instruments, keep what was read, bring it to the cloud",
		Long: `Runs until SIGINT or SIGTERM: then what was read is put into the journal, the
uplink gets a moment to send it, and the program ends. A second signal aborts. What
the journal holds survives any end, also kill -9 and a power cut.`,
		Example: `  calms-edge run --config edge.yaml
  CALMS_EDGE_LOG_LEVEL=debug calms-edge run --data /var/lib/calms-edge`,
		Args: program.ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := loadConfig(self().ConfigFile(file))
			if err != nil {
				return err
			}
			log, err := daemon.Logger(c.ErrOrStderr(), settings.Text("log.level"), settings.Text("log.format"))
			if err != nil {
				return err
			}
			dir, err := settings.dataDir(data)
			if err != nil {
				return err
			}
			debug.SetMemoryLimit(settings.Bytes("memory.limit"))
			e, err := openEdge(settings, dir, log)
			if err != nil {
				return err
			}
			return errors.Join(e.run(c.Context()), e.close())
		},
	}
	self().DataFlag(c, &data)
	self().ConfigFlag(c, &file)
	return c
}

// dataDir is the data directory of a command that reads the configuration.
func (c config) dataDir(flag string) (string, error) {
	if flag == "" {
		flag = c.Text("data")
	}
	return self().DataDir(flag)
}

// run runs the parts until ctx ends or a signal comes. They end in the reverse
// order: the sampler puts what it has into the journal before the uplink ends.
func (e *edge) run(ctx context.Context) error {
	if len(e.config.instruments) == 0 {
		e.log.Warn("no instruments are configured: nothing is measured", "hint", "calms-edge config show")
	}
	registry := daemon.NewRegistry()
	registry.MustRegister(metrics{e})
	return daemon.Run(ctx, daemon.Config{
		Log:      e.log,
		DataDir:  e.data,
		Private:  e.config.Text("private.listen"),
		Registry: registry,
		Targets: []daemon.Target{
			{Name: "control", Run: e.runControl},
			{Name: "keeping", Run: e.runKeeping},
			{Name: "uplink", Run: e.runUplink},
			{Name: "sampler", Run: e.runSampler},
		},
	})
}

// runKeeping looks after the clock and the certificate. That the cloud is away
// is no fault of the edge's: it is ready all the same.
func (e *edge) runKeeping(ctx context.Context, report func(error)) error {
	report(nil)
	var both sync.WaitGroup
	both.Go(func() { e.clock.Run(ctx) })
	both.Go(func() { e.renewer.Run(ctx) })
	both.Wait()
	return ctx.Err()
}

// lastWords is how long the uplink may go on sending after the sampler ended.
const lastWords = 2 * time.Second

func (e *edge) runUplink(ctx context.Context, report func(error)) error {
	report(nil)
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- e.uplink.Run(sending) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	e.finish(time.Now().Add(lastWords))
	stop()
	return <-ended
}

// finish waits until the cloud has everything, or time is up.
func (e *edge) finish(deadline time.Time) {
	for time.Now().Before(deadline) && e.uplink.Status().Connected && !e.uploaded() {
		time.Sleep(20 * time.Millisecond)
	}
}

// uploaded reports whether the cloud has all of the current journal.
func (e *edge) uploaded() bool {
	stat, err := e.keeper.Stat(context.Background())
	if err != nil || len(stat.Journals) == 0 {
		return true // nothing that waiting would help
	}
	current := func(s []journal.JournalStat) journal.JournalStat { return s[len(s)-1] }(stat.Journals)
	return current.Cursor >= current.Head
}

func (e *edge) runSampler(ctx context.Context, report func(error)) error {
	report(nil)
	err := e.sampler.Run(ctx)
	if err == nil {
		err = ctx.Err()
	}
	return err
}
