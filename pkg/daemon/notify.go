package daemon

import (
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// The functions of this file do nothing where systemd did not start the daemon
// (no NOTIFY_SOCKET in the environment).

func (r *runner) notifyReady() {
	r.config.Log.Info("ready")
	r.notify(systemd.SdNotifyReady)
}

func (r *runner) notifyStopping() { r.notify(systemd.SdNotifyStopping) }

func (r *runner) notify(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		r.config.Log.Warn("notify systemd", KeyError, err)
	}
}

// watchdog keeps telling systemd that the process lives, where the unit asks
// for it, until the function that it returns is called.
func (r *runner) watchdog() (done func()) {
	limit, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		r.config.Log.Warn("read systemd's watchdog", KeyError, err)
	}
	if err != nil || limit == 0 {
		return func() {}
	}
	end := make(chan struct{})
	go func() {
		ticker := time.NewTicker(limit / 2)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				r.notify(systemd.SdNotifyWatchdog)
			case <-end:
				return
			}
		}
	}()
	return func() { close(end) }
}
