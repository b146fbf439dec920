//go:build unix

package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
)

const patience = 20 * time.Second

// The test binary is also the daemon that gets signals.
func TestMain(m *testing.M) {
	if mode := os.Getenv("DAEMON_TEST_CHILD"); mode != "" {
		os.Exit(childMain(mode, os.Getenv("DAEMON_TEST_DIR")))
	}
	os.Exit(m.Run())
}

// childMain runs a daemon that prints what happens.
func childMain(mode, dir string) int {
	say := func(what string) { fmt.Println(what) }
	first := Target{Name: "first", Run: func(ctx context.Context, report func(error)) error {
		say("first starts")
		report(nil)
		<-ctx.Done()
		say("first stops")
		return ctx.Err()
	}}
	second := Target{Name: "second", Run: func(ctx context.Context, report func(error)) error {
		say("second starts")
		report(nil)
		<-ctx.Done()
		say("second stops")
		if mode == "stuck" {
			select {}
		}
		return nil
	}}
	err := Run(context.Background(), Config{
		Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)), DataDir: dir, Targets: []Target{first, second},
		Reload: func() { say("reloads") },
	})
	say(fmt.Sprintf("ended: %v", err))
	if err != nil {
		return calms.KindOf(err).ExitCode()
	}
	return 0
}

// child is a daemon in a process of its own.
type child struct {
	*exec.Cmd
	t     *testing.T
	lines chan string
	dir   string
}

func startChild(t *testing.T, mode string, env ...string) *child {
	t.Helper()
	c := &child{Cmd: exec.CommandContext(t.Context(), os.Args[0]), t: t, lines: make(chan string, 100), dir: t.TempDir()}
	c.Env = append(append(os.Environ(), "DAEMON_TEST_CHILD="+mode, "DAEMON_TEST_DIR="+c.dir), env...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			c.lines <- scan.Text()
		}
	}()
	return c
}

func (c *child) expect(want ...string) {
	c.t.Helper()
	for _, line := range want {
		select {
		case got := <-c.lines:
			if got != line {
				c.t.Fatalf("the daemon said %q, want %q", got, line)
			}
		case <-time.After(patience):
			c.t.Fatalf("the daemon did not say %q", line)
		}
	}
}

func (c *child) exitCode() int {
	for range c.lines { // Wait closes the pipe
	}
	c.Wait()
	return c.ProcessState.ExitCode()
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

func TestSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		c := startChild(t, "orderly")
		c.expect("first starts", "second starts")
		await(t, func() bool { return Probe(t.Context(), c.dir) == nil })
		c.signal(syscall.SIGHUP)
		c.expect("reloads")
		c.signal(s)
		c.expect("second stops", "first stops", "ended: <nil>")
		if code := c.exitCode(); code != 0 {
			t.Errorf("exit code %d after %v", code, s)
		}
		if _, err := os.Stat(filepath.Join(c.dir, addressFile)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the address file after the end: %v", err)
		}
	}
}

func TestSecondSignalAborts(t *testing.T) {
	for s, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 1} {
		c := startChild(t, "stuck")
		c.expect("first starts", "second starts")
		c.signal(s)
		c.expect("second stops")
		if err := Probe(t.Context(), c.dir); calms.KindOf(err) != calms.KindPending || !strings.Contains(err.Error(), "first is stopping") {
			t.Errorf("a daemon that stops says %v", err)
		}
		c.signal(s)
		if got := c.exitCode(); got != code {
			t.Errorf("exit code %d after the second %v, want %d", got, s, code)
		}
		if err := Probe(t.Context(), c.dir); calms.KindOf(err) != calms.KindUnreachable {
			t.Errorf("after an abort the probe says %v", err)
		}
	}
}

func TestSystemdIsNotified(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	systemd.SetReadDeadline(time.Now().Add(patience))
	next := func() string {
		buf := make([]byte, 100)
		n, err := systemd.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	c := startChild(t, "orderly", "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=50000")
	got := []string{next(), next(), next(), next()}
	if !slices.Contains(got, "READY=1") || !slices.Contains(got, "WATCHDOG=1") {
		t.Errorf("systemd was told %v", got)
	}
	c.signal(syscall.SIGTERM)
	for next() != "STOPPING=1" {
	}
	c.exitCode()
}

// run runs a daemon in this process and returns its data directory, a function
// that stops it, and its error.
func run(t *testing.T, targets ...Target) (dir string, stop func(), ended <-chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	dir, result, done := t.TempDir(), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		result <- Run(ctx, Config{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), DataDir: dir, Targets: targets, StopTimeout: time.Second})
	}()
	t.Cleanup(func() { stop(); <-done })
	return dir, stop, result
}

func awaitEnd(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		t.Fatal("the daemon did not end")
		return nil
	}
}

func await(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// obedient is a target that serves until it is told to stop.
func obedient(name string) Target {
	return Target{Name: name, Run: func(ctx context.Context, report func(error)) error {
		report(nil)
		<-ctx.Done()
		return nil
	}}
}

func TestFailureOfOneStopsAll(t *testing.T) {
	fail := make(chan error)
	var mu sync.Mutex
	var stopped []string
	target := func(name string) Target {
		return Target{Name: name, Run: func(ctx context.Context, report func(error)) error {
			report(nil)
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			stopped = append(stopped, name)
			return nil
		}}
	}
	failing := Target{Name: "failing", Run: func(_ context.Context, report func(error)) error {
		report(nil)
		return <-fail
	}}
	for _, cause := range []error{calms.Errorf(calms.KindConflict, "disk on fire"), nil} {
		stopped = nil
		dir, _, ended := run(t, target("a"), failing, target("b"))
		await(t, func() bool { return Probe(t.Context(), dir) == nil })
		fail <- cause
		err := awaitEnd(t, ended)
		if err == nil || !strings.Contains(err.Error(), "target failing: ") || calms.KindOf(err) == calms.KindConflict != (cause != nil) {
			t.Errorf("after %v: %v", cause, err)
		}
		if !slices.Equal(stopped, []string{"b", "a"}) {
			t.Errorf("stopped %v", stopped)
		}
	}
}

func TestFailureAtStart(t *testing.T) {
	broken := Target{Name: "broken", Run: func(context.Context, func(error)) error { return errors.New("no database") }}
	never := Target{Name: "never", Run: func(context.Context, func(error)) error { panic("started after a failure") }}
	_, _, ended := run(t, obedient("a"), broken, never)
	if err := awaitEnd(t, ended); err == nil || err.Error() != "target broken: no database" {
		t.Errorf("error is %v", err)
	}
}

func TestStopTimeout(t *testing.T) {
	release := make(chan struct{})
	stuck := Target{Name: "stuck", Run: func(_ context.Context, report func(error)) error {
		report(nil)
		<-release
		return nil
	}}
	dir, stop, ended := run(t, stuck)
	await(t, func() bool { return Probe(t.Context(), dir) == nil })
	stop()
	err := awaitEnd(t, ended)
	if calms.KindOf(err) != calms.KindTimeout || !strings.Contains(err.Error(), "stop target stuck") {
		t.Errorf("error is %v", err)
	}
	close(release)
}

func TestReadiness(t *testing.T) {
	reports := make(chan error)
	moody := Target{Name: "moody", Run: func(ctx context.Context, report func(error)) error {
		for {
			select {
			case err := <-reports:
				report(err)
			case <-ctx.Done():
				return nil
			}
		}
	}}
	dir, stop, ended := run(t, obedient("a"), moody, obedient("c"))
	pending := func(want string) func() bool {
		return func() bool {
			err := Probe(t.Context(), dir)
			return calms.KindOf(err) == calms.KindPending && strings.Contains(err.Error(), want)
		}
	}
	await(t, pending("moody is starting, c is starting"))
	reports <- errors.New("waits for the network")
	await(t, pending("moody is starting: waits for the network"))
	reports <- nil
	await(t, func() bool { return Probe(t.Context(), dir) == nil })
	reports <- errors.New("disk is full")
	await(t, pending("not ready: moody is unready: disk is full"))
	if got := get(t, dir, "/metrics"); !strings.Contains(got, `calms_target_ready{target="moody"} 0`) || !strings.Contains(got, `calms_target_ready{target="a"} 1`) {
		t.Error("the metrics do not tell which target is ready")
	}
	reports <- nil
	await(t, func() bool { return Probe(t.Context(), dir) == nil })
	stop()
	if err := awaitEnd(t, ended); err != nil {
		t.Error(err)
	}
	if err := Probe(t.Context(), dir); calms.KindOf(err) != calms.KindUnreachable || calms.KindOf(err).ExitCode() != 7 {
		t.Errorf("after the end: %v", err)
	}
}

// get is the body of a private page.
func get(t *testing.T, dir, page string) string {
	t.Helper()
	address, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get("http://" + strings.TrimSpace(string(address)) + page)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintln(response.StatusCode) + string(body)
}

func TestPrivatePages(t *testing.T) {
	dir, _, _ := run(t, obedient("a"))
	await(t, func() bool { return Probe(t.Context(), dir) == nil })
	for page, want := range map[string]string{
		"/healthz":      "200\nok",
		"/readyz":       `200` + "\n" + `{"schema":1,"ready":true,"targets":[{"name":"a","state":"ready","since":`,
		"/metrics":      "go_goroutines",
		"/debug/pprof/": "404",
		"/":             "404",
	} {
		if got := get(t, dir, page); !strings.Contains(got, want) {
			t.Errorf("%s answers %.200q, want %q", page, got, want)
		}
	}
	info, err := os.Stat(filepath.Join(dir, addressFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("address file: %v, %v", info.Mode(), err)
	}
}

func TestProbeOfSomethingElse(t *testing.T) {
	if err := Probe(t.Context(), t.TempDir()); calms.KindOf(err) != calms.KindUnreachable {
		t.Errorf("no daemon: %v", err)
	}
	dir := t.TempDir()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go http.Serve(other, http.NotFoundHandler())
	if err := writeAddress(filepath.Join(dir, addressFile), other.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if err := Probe(t.Context(), dir); calms.KindOf(err) != calms.KindUnreachable || !strings.Contains(err.Error(), "404") {
		t.Errorf("another program on the address: %v", err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := writeAddress(filepath.Join(dir, addressFile), silent.Addr().String()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Probe(ctx, dir); calms.KindOf(err) != calms.KindTimeout {
		t.Errorf("a daemon that does not answer: %v", err)
	}
}

// logged passes on what a daemon logs, a line each.
type logged chan string

func (l logged) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// A file stands where the folder of the address is wanted, as nothing can be
// written on a full disk.
func TestAddressThatCannotBeWritten(t *testing.T) {
	dir, lines := t.TempDir(), make(logged, 100)
	if err := os.WriteFile(filepath.Join(dir, "run"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Log: slog.New(slog.NewTextHandler(lines, nil)), DataDir: dir, Targets: []Target{obedient("a")}})
	}()
	var text string
	for !strings.Contains(text, "msg=ready") {
		select {
		case line := <-lines:
			text += line
		case err := <-ended:
			t.Fatalf("the daemon ended: %v", err)
		case <-time.After(patience):
			t.Fatalf("the daemon is not ready: %s", text)
		}
	}
	if !strings.Contains(text, "level=WARN") || !strings.Contains(text, "private.addr") {
		t.Errorf("nothing was said of the address: %s", text)
	}
	_, address, _ := strings.Cut(text, `msg="private listener serves" address=`)
	address, _, _ = strings.Cut(address, "\n")
	if r, err := fetchReadiness(t.Context(), address); err != nil || !r.Ready {
		t.Errorf("%s answers %+v, %v", address, r, err)
	}
	stop()
	if err := awaitEnd(t, ended); err != nil {
		t.Error(err)
	}
}

func TestPrivateAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = Run(t.Context(), Config{Log: slog.New(slog.DiscardHandler), DataDir: t.TempDir(), Private: taken.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "open private listener: ") {
		t.Errorf("error is %v", err)
	}
}
