package demo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// processes runs the project's programs in the demo's directory.
type processes struct {
	bin string // directory of the programs
	dir string // where they run
	env []string

	mu      sync.Mutex // guards running
	running map[string]*process
}

// process is one program that keeps running.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func newProcesses(bin, dir string) *processes {
	return &processes{
		bin: bin, dir: dir, running: map[string]*process{},
		env: append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "CALMS_NO_PROMPT=1"),
	}
}

// program is the path of one of the project's programs.
func program(bin, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(bin, name)
}

// checkPrograms sees to it that all programs are there.
func checkPrograms(bin string) error {
	for _, name := range []string{"calmsctl", "calms-cloudd", "calms-edge"} {
		if _, err := os.Stat(program(bin, name)); err != nil {
			return calms.Errorf(calms.KindNotFound, "the demo needs %s beside calmsctl: %w", name, err).WithHint("make demo")
		}
	}
	return nil
}

func (p *processes) command(ctx context.Context, line string) *exec.Cmd {
	words := strings.Fields(line)
	cmd := exec.CommandContext(ctx, program(p.bin, words[0]), words[1:]...)
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

// start begins a program that keeps running under a name; what it prints goes
// to name.log.
func (p *processes) start(name, line string) error {
	log, err := os.OpenFile(filepath.Join(p.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the program has its own copy
	// Not bound to a context: it is stopped in order, see stopAll.
	cmd := p.command(context.Background(), line)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	started := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		cmd.Wait() // how it ended stands in its log
		close(started.done)
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[name] = started
	return nil
}

// take ends a program's being looked after, and returns it.
func (p *processes) take(name string) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.running[name]
	delete(p.running, name)
	return taken
}

// kill ends a program as a power cut would: kill -9.
func (p *processes) kill(name string) error {
	victim := p.take(name)
	if err := victim.cmd.Process.Kill(); err != nil {
		return err
	}
	<-victim.done
	return nil
}

// ended reports whether a program has ended by itself.
func (p *processes) ended(name string) bool {
	p.mu.Lock()
	running := p.running[name]
	p.mu.Unlock()
	select {
	case <-running.done:
		return true
	default:
		return false
	}
}

// grace is how long a program may take to stop in order.
const grace = 10 * time.Second

// stopAll stops everything, edges and instruments before the cloud.
func (p *processes) stopAll() {
	p.mu.Lock()
	running := p.running
	p.running = map[string]*process{}
	p.mu.Unlock()
	for _, process := range running {
		if process.cmd.Process.Signal(os.Interrupt) != nil {
			process.cmd.Process.Kill() // Windows knows no interrupt
		}
	}
	deadline := time.After(grace)
	for _, process := range running {
		select {
		case <-process.done:
		case <-deadline:
			process.cmd.Process.Kill() // it may have ended meanwhile
			<-process.done
		}
	}
}

// tail is the end of a program's log, for when it fails.
func (p *processes) tail(name string) string {
	text, err := os.ReadFile(filepath.Join(p.dir, name+".log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Sprintf("the end of %s.log:\n%s", name, strings.Join(lines[max(0, len(lines)-10):], "\n"))
}
