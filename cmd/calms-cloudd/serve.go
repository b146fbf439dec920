package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/daemon"
	"go.calms.com/calms/pkg/program"
	"go.calms.com/calms/pkg/settings"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	data       string
	config     string
	recover    bool
	repository string
}

func newServe() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the cloud",
		Long: `Runs every service of the cloud in this process, on one data directory, which the
first start makes together with the authorities and the first operator's key.

With --recover it brings a lost cloud back into an empty data directory: it waits
for "calmsctl restore", which brings the key of the backup repository, restores,
and goes on as the cloud in the same process.

SIGHUP reads the log level again. SIGINT and SIGTERM stop in order; a second one
aborts.`,
		Example: `  calms-cloudd serve
  calms-cloudd serve --data /srv/calms --config /etc/calms/cloudd.yaml
  calms-cloudd serve --recover --data /srv/calms-new --repository /mnt/backup/calms`,
		Args: program.ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if o.recover != (o.repository != "") {
				return program.UsageError(c, errors.New("--recover and --repository are given together"))
			}
			return serve(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	self().DataFlag(c, &o.data)
	self().ConfigFlag(c, &o.config)
	c.Flags().BoolVar(&o.recover, "recover", false, "restore into an empty data directory, then serve")
	c.Flags().StringVar(&o.repository, "repository", "", "`folder` of the backup repository to restore from")
	_ = c.MarkFlagDirname("repository")
	return c
}

// process is one run of serve.
type process struct {
	options serveOptions
	config  config
	place   *place
	log     *slog.Logger
	level   *slog.LevelVar
	stdout  io.Writer
}

// serve runs the daemon until it is stopped.
func serve(ctx context.Context, o serveOptions, stdout, stderr io.Writer) (err error) {
	p := &process{options: o, stdout: stdout, level: new(slog.LevelVar)}
	if p.config, err = loadConfig(self().ConfigFile(o.config)); err != nil {
		return err
	}
	if p.log, err = newLog(stderr, p.config, p.level); err != nil {
		return err
	}
	for _, name := range settingsTable().Strangers() {
		p.log.Warn("this environment variable sets nothing; calms-cloudd config show lists those that do", "name", name)
	}
	p.limitMemory()
	dir, err := self().DataDir(o.data)
	if err != nil {
		return err
	}
	if p.place, err = takePlace(dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.place.close()) }()
	if !o.recover {
		return p.cloud(ctx, nil)
	}
	report, err := p.recover(ctx)
	if err != nil || report == nil {
		return err // nil where it was stopped
	}
	return p.cloud(ctx, report)
}

// cloud runs the cloud; restored says what it was restored from, if it was.
func (p *process) cloud(ctx context.Context, restored *api.RestoreReport) error {
	if err := p.place.ordinary(); err != nil {
		return err
	}
	told, err := addressFile{path: p.place.path(addressesFile)}.restored()
	if err != nil {
		return err
	}
	if told != nil {
		told.adopt(&p.config)
	}
	d, err := openDoors(p.config)
	if err != nil {
		return err
	}
	defer d.close()
	c := &cloud{config: p.config, log: p.log, place: p.place, doors: d, restore: restored}
	if told != nil {
		c.elsewhere = told.missing(tellable(p.config, d))
	}
	if restored != nil && c.elsewhere != "" {
		fmt.Fprintf(p.stdout, "WARNING: operators and edges were told of another address, and will not find this cloud: %s\n  Set public.hosts and listen.* as they were, or bring every edge a new ticket.\n", c.elsewhere)
	}
	if err := openCloud(ctx, c); err != nil {
		return err
	}
	registry := daemon.NewRegistry()
	registry.MustRegister(metrics{c})
	err = daemon.Run(ctx, daemon.Config{
		Log:      p.log,
		DataDir:  p.place.dir,
		Private:  p.config.Listen.Private,
		Registry: registry,
		Targets:  c.targets(p.stdout),
		Reload:   p.reload,
	})
	return errors.Join(err, c.close())
}

// reload takes over what may change while running: the log level.
func (p *process) reload() {
	changed, err := loadConfig(self().ConfigFile(p.options.config))
	if err != nil {
		p.log.Error("configuration not reloaded", "error", err)
		return
	}
	setLevel(p.level, changed)
	p.log.Info("configuration reloaded", "level", changed.Log.Level)
}

func (p *process) limitMemory() {
	if limit, err := settings.ParseSize(p.config.Memory.Limit); err == nil && limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}
