package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.calms.com/calms/pkg/crash"
)

// child is the variable by which the test binary knows that it is to pass points.
const child = "CALMS_CRASH_TEST_CHILD"

// TestMain lets the binary be the process that is killed.
func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	for n := range 4 {
		crash.At("other.point")
		crash.At("journal.committed")
		fmt.Println(n + 1)
	}
}

// passages runs the binary with a wish and counts how often it passed the point.
func passages(t *testing.T, wish string) (passed int, killed bool) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), child+"=1", "CALMS_CRASH_AT="+wish)
	var out bytes.Buffer
	command.Stdout = &out
	err := command.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status, ok := exit.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
			t.Fatalf("with %q it ended with %v", wish, err)
		}
		killed = true
	} else if err != nil {
		t.Fatal(err)
	}
	return strings.Count(out.String(), "\n"), killed
}

func TestCrashPoints(t *testing.T) {
	for wish, want := range map[string]int{
		"": 4, "no.such.point": 4, "journal": 4,
		"journal.committed": 0, "journal.committed:1": 0, "journal.committed:3": 2, "journal.committed:4": 3, "journal.committed:5": 4,
	} {
		if !compiledIn {
			want = 4
		}
		if passed, killed := passages(t, wish); passed != want || killed != (want < 4) {
			t.Errorf("with %q the point was passed %d times, killed %t; want %d", wish, passed, killed, want)
		}
	}
}
