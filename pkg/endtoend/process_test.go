package endtoend

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is a program that keeps running.
type process struct {
	rig  *rig
	name string // of its log
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	died time.Time     // when that was noticed; set before done is closed
}

// spawn begins a command whose output goes to name.log.
func (r *rig) spawn(name string, cmd *exec.Cmd) *process {
	r.t.Helper()
	log, err := os.OpenFile(r.file(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close() // the program has its own copy
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Stderr = log
	// A test that is killed itself must leave nothing behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	p := &process{rig: r, name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended stands in its state
		p.died = time.Now()
		close(p.done)
	}()
	r.t.Cleanup(func() { p.kill() })
	return p
}

// running reports whether it has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends it as a power cut would, and returns when that was.
func (p *process) kill() time.Time {
	at := time.Now()
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
	return at
}

// stop ends it in order, as an administrator does.
func (p *process) stop() {
	p.rig.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.rig.t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		p.rig.t.Fatalf("%s does not stop\n%s", p.name, p.rig.tail(p.name))
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.rig.t.Errorf("%s stopped with exit status %d\n%s", p.name, code, p.rig.tail(p.name))
	}
}

// awaitCrash waits until it has killed itself at its crash point.
func (p *process) awaitCrash(point string) time.Time {
	p.rig.t.Helper()
	select {
	case <-p.done:
	case <-time.After(2 * patience):
		p.rig.t.Fatalf("%s never came to %s\n%s", p.name, point, p.rig.tail(p.name))
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		p.rig.t.Fatalf("%s ended at %s by itself: %v\n%s", p.name, point, p.cmd.ProcessState, p.rig.tail(p.name))
	}
	return p.died
}
