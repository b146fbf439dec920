package daemon

import (
	"context"
	"errors"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// runner is one [Run].
type runner struct {
	config  Config
	states  *states
	started []*task    // in order; used by the goroutine of run only
	failed  chan error // why a target ended by itself; has room for each
}

// task is a target that was started.
type task struct {
	Target
	cancel context.CancelFunc
	served chan struct{} // closed by the first report(nil)
	ended  chan struct{} // closed when Run has returned
	err    error         // of Run; read after ended
}

func newRunner(config Config) *runner {
	states := newStates(config.Targets)
	config.Registry.MustRegister(states)
	return &runner{config: config, states: states, failed: make(chan error, len(config.Targets))}
}

func (r *runner) run(ctx context.Context) error {
	err := r.start(ctx)
	if err == nil && ctx.Err() == nil {
		r.notifyReady()
		err = r.wait(ctx)
	}
	if err != nil {
		r.config.Log.Error("stopping", KeyError, err)
	}
	r.states.stop()
	r.notifyStopping()
	return errors.Join(err, r.stop())
}

// start starts the targets in order; it returns early where ctx ends.
func (r *runner) start(ctx context.Context) error {
	for _, target := range r.config.Targets {
		t := r.launch(ctx, target)
		select {
		case <-t.served:
			r.config.Log.Info("target serves", KeyTarget, target.Name)
		case err := <-r.failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// launch runs a target on a context that [runner.stop] ends, so that targets
// end in order.
func (r *runner) launch(ctx context.Context, target Target) *task {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &task{Target: target, cancel: cancel, served: make(chan struct{}), ended: make(chan struct{})}
	r.started = append(r.started, t)
	go func() {
		defer close(t.ended)
		t.err = target.Run(ctx, func(err error) {
			if r.states.report(target.Name, err) {
				close(t.served)
			}
		})
		r.states.end(target.Name, t.err)
		if ctx.Err() == nil {
			r.failed <- endedByItself(t)
		}
	}()
	return t
}

func endedByItself(t *task) error {
	if t.err == nil {
		return calms.Errorf(calms.KindInternal, "target %s: ended by itself", t.Name)
	}
	return calms.Wrap("target "+t.Name, t.err)
}

func (r *runner) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-r.failed:
		return err
	}
}

// stop ends the targets, the last one first.
func (r *runner) stop() error {
	timeout := time.After(r.config.StopTimeout)
	var errs []error
	for i := len(r.started) - 1; i >= 0; i-- {
		t := r.started[i]
		alive := !t.hasEnded()
		t.cancel()
		select {
		case <-t.ended:
			r.config.Log.Info("target stopped", KeyTarget, t.Name)
			if alive && !errors.Is(t.err, context.Canceled) {
				errs = append(errs, calms.Wrap("stop target "+t.Name, t.err))
			}
		case <-timeout:
			return errors.Join(append(errs, r.lateError(r.started[:i+1]))...)
		}
	}
	return errors.Join(errs...)
}

func (t *task) hasEnded() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

func (r *runner) lateError(left []*task) error {
	for _, t := range left {
		t.cancel()
	}
	return calms.Errorf(calms.KindTimeout, "stop target %s: not done within %v", left[len(left)-1].Name, r.config.StopTimeout)
}
