package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// Options of the demo.
type Options struct {
	Bin    string // directory with the three programs
	Dir    string // where everything is kept: missing or empty; none given is a new temporary directory
	Stay   bool   // leave all running at the end until ctx ends
	Colour bool
	Out    io.Writer
}

// demo is a demo on its way.
type demo struct {
	options   Options
	processes *processes
	edges     []*edge
	api       string // host:port
	broker    string
	began     time.Time
}

// edge is one site of the demo.
type edge struct {
	name        string // last segment of its path
	instruments []instrument
	relay       *relay
}

// instrument is one simulated instrument of an edge.
type instrument struct {
	name, profile, address, log string
}

func (e *edge) path() string { return "acme/ljubljana/" + e.name }

// Run tells the story. It returns when it is told and, with Stay, ctx has ended;
// the error says which step failed.
func Run(ctx context.Context, options Options) error {
	if err := checkPrograms(options.Bin); err != nil {
		return err
	}
	dir, err := newDir(options.Dir)
	if err != nil {
		return err
	}
	d := &demo{options: options, processes: newProcesses(options.Bin, dir), began: time.Now()}
	defer d.stop()
	for _, chapter := range d.story() {
		d.title(chapter.title)
		if err := chapter.tell(ctx); err != nil {
			return calms.Wrap("demo: "+strings.ToLower(chapter.title), err)
		}
	}
	return d.end(ctx)
}

// newDir makes the demo's directory, or takes an empty one. The story removes a
// cloud below it, which must be the story's own.
func newDir(given string) (string, error) {
	if given == "" {
		return os.MkdirTemp("", "calms-demo-")
	}
	dir, err := filepath.Abs(given)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", calms.Errorf(calms.KindInvalid, "make the demo's directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", calms.Errorf(calms.KindInvalid, "read the demo's directory: %w", err)
	}
	if len(entries) > 0 {
		return "", calms.Errorf(calms.KindConflict, "%s is not empty, it holds %s", dir, entries[0].Name()).
			WithHint("name a directory that does not exist yet, or leave out --dir")
	}
	return dir, nil
}

func (d *demo) stop() {
	d.processes.stopAll()
	for _, e := range d.edges {
		e.relay.close()
	}
}

// end says what to try next, and stays if it is to.
func (d *demo) end(ctx context.Context) error {
	d.say("The whole story took %s. Everything is in %s.", time.Since(d.began).Round(time.Second), d.processes.dir)
	if !d.options.Stay {
		return nil
	}
	d.title("Yours to try, in another terminal")
	d.plain("export XDG_CONFIG_HOME=%s PATH=%s:$PATH", filepath.Join(d.processes.dir, "config"), d.options.Bin)
	d.plain("calmsctl status")
	d.plain("calmsctl data tail acme")
	d.plain("calmsctl data plot %s/power-power --from -5m", d.edges[0].path())
	d.plain("calmsctl device get %s", d.edges[1].path())
	d.plain("calmsctl device revoke %s --reason stolen", d.edges[2].path())
	d.plain("calms-edge status --data %s", filepath.Join(d.processes.dir, d.edges[0].name))
	d.say("Ctrl-C ends it.")
	<-ctx.Done()
	return nil
}

// Output: titles and commands stand out, results are as the programs print them.

func (d *demo) title(text string) {
	elapsed := fmt.Sprintf("%3.0fs", time.Since(d.began).Seconds())
	fmt.Fprintf(d.options.Out, "\n%s\n", d.paint("1;36", "── "+elapsed+"  "+text+" "+strings.Repeat("─", max(0, 70-len(text)))))
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.options.Out, d.paint("2", "# ")+format+"\n", args...)
}

func (d *demo) plain(format string, args ...any) {
	fmt.Fprintf(d.options.Out, "  "+format+"\n", args...)
}

func (d *demo) typed(line string) {
	fmt.Fprintln(d.options.Out, d.paint("1;32", "$ "+line))
}

func (d *demo) paint(code, text string) string {
	if !d.options.Colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// run types a command and shows what it prints.
func (d *demo) run(ctx context.Context, format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	d.typed(line)
	cmd := d.processes.command(ctx, line)
	cmd.Stdout, cmd.Stderr = d.options.Out, d.options.Out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

// ask runs a command quietly and reads its JSON.
func (d *demo) ask(ctx context.Context, into any, format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	text, err := d.processes.command(ctx, line).Output()
	if err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return json.Unmarshal(text, into)
}

// background types a command that keeps running.
func (d *demo) background(name, format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	d.typed(line + " &")
	return d.processes.start(name, line)
}

// look is how often await looks.
const look = 250 * time.Millisecond

var errWaited = errors.New("it did not come in time")

// await waits until ready says so, saying every few seconds what it waits for.
func (d *demo) await(ctx context.Context, what string, limit time.Duration, ready func() (note string, ok bool)) error {
	began, said := time.Now(), time.Now()
	for {
		note, ok := ready()
		if ok {
			return nil
		}
		if time.Since(began) > limit {
			return fmt.Errorf("wait for %s: %w (%s)", what, errWaited, note)
		}
		if time.Since(said) > 3*time.Second {
			said = time.Now()
			d.say("waiting for %s: %s", what, note)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
	}
}

// device asks the cloud for one device.
func (d *demo) device(ctx context.Context, e *edge) (api.Device, error) {
	var device api.Device
	return device, d.ask(ctx, &device, "calmsctl device get %s -o json", e.path())
}

// freeAddresses finds loopback addresses that nothing listens on.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // all at the end, so that no two are equal
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
