package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Target is one service of a daemon.
type Target struct {
	Name string

	// Run works until ctx ends and returns when nothing of it is left. It calls
	// report(nil) when it serves, from any goroutine, and may later call
	// report(err) and report(nil) again as it cannot serve and can. Returning
	// before ctx ends, also without an error, stops the daemon.
	Run func(ctx context.Context, report func(error)) error
}

// Config is what [Run] needs. Log, DataDir and Targets must be set.
type Config struct {
	Log         *slog.Logger
	DataDir     string               // where [Probe] finds the private listener
	Private     string               // address of the private listener, default 127.0.0.1:0
	Registry    *prometheus.Registry // default [NewRegistry]
	Targets     []Target             // in the order of starting
	Reload      func()               // on SIGHUP, in the goroutine that waits for signals; may be nil
	StopTimeout time.Duration        // for all targets together, default 30 s
}

const (
	defaultPrivate     = "127.0.0.1:0"
	defaultStopTimeout = 30 * time.Second
)

// Run starts the targets one after the other, each when the one before serves,
// and waits. When ctx ends, when SIGINT or SIGTERM comes, or when a target
// ends, it says "not ready" and stops the targets in reverse order, within the
// stop timeout. A second signal ends the process at once, with exit code 130
// after SIGINT and 1 after SIGTERM. The error is nil after an orderly stop that
// was asked for.
func Run(ctx context.Context, config Config) error {
	config = config.withDefaults()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer config.handleSignals(stop)()

	r := newRunner(config)
	private, err := r.servePrivate()
	if err != nil {
		return err
	}
	defer private.close()
	defer r.watchdog()()
	return r.run(ctx)
}

func (c Config) withDefaults() Config {
	if c.Private == "" {
		c.Private = defaultPrivate
	}
	if c.Registry == nil {
		c.Registry = NewRegistry()
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = defaultStopTimeout
	}
	return c
}
