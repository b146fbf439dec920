package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal runs the program with its standard output and error on a
// pseudo-terminal and returns what a user would see.
func onTerminal(t *testing.T, environment []string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 90})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(number)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("calmsctl", args...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var seen bytes.Buffer
	_, _ = io.Copy(&seen, master) // ends with EIO when the program does
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, seen.String())
	}
	return seen.String()
}

func TestColours(t *testing.T) {
	base := cloudEnvironment(t, t.TempDir())
	for name, c := range map[string]struct {
		environment []string
		args        []string
		colours     bool
	}{
		"table":              {nil, []string{"device", "list"}, true},
		"chart":              {nil, []string{"data", "plot", "acme/ljubljana/comp-3/flow"}, true},
		"NO_COLOR":           {[]string{"NO_COLOR=1"}, []string{"device", "list"}, false},
		"TERM=dumb":          {[]string{"TERM=dumb"}, []string{"device", "list"}, false},
		"--no-color":         {nil, []string{"device", "list", "--no-color"}, false},
		"JSON has no colour": {nil, []string{"device", "list", "-o", "json"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			seen := onTerminal(t, slices.Concat(base, c.environment), c.args...)
			if got := strings.Contains(seen, "\x1b["); got != c.colours {
				t.Errorf("colours: %v, want %v\n%q", got, c.colours, seen)
			}
			if !strings.Contains(seen, "comp-3") {
				t.Errorf("no data: %q", seen)
			}
		})
	}
}

func TestProgressBarOnTerminal(t *testing.T) {
	seen := onTerminal(t, cloudEnvironment(t, t.TempDir()), "backup", "create")
	if !strings.Contains(seen, "\r\x1b[Kbackup") || !strings.Contains(seen, "s-4") {
		t.Errorf("seen %q", seen)
	}
}
