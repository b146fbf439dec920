package daemon

import (
	"os"
	"os/signal"
	"syscall"

	"go.calms.com/calms/pkg/calms"
)

// handleSignals calls stop at the first signal, until the function that it
// returns is called.
func (c Config) handleSignals(stop func()) (done func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	end := make(chan struct{})
	go c.obey(signals, end, stop)
	return func() {
		signal.Stop(signals)
		close(end)
	}
}

func (c Config) obey(signals <-chan os.Signal, end <-chan struct{}, stop func()) {
	for stopping := false; ; {
		select {
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
				c.reload()
			case stopping:
				c.Log.Error("aborted", "signal", s.String())
				os.Exit(abortCode(s))
			default:
				stopping = true
				c.Log.Info("stopping; a second signal aborts", "signal", s.String())
				stop()
			}
		case <-end:
			return
		}
	}
}

func (c Config) reload() {
	c.Log.Info("reload")
	if c.Reload != nil {
		c.Reload()
	}
}

func abortCode(s os.Signal) int {
	if s == os.Interrupt {
		return calms.KindInterrupted.ExitCode()
	}
	return calms.KindInternal.ExitCode()
}
