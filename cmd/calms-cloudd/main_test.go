package main

import (
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){self().Name: main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CALMS_CLOUDD_LISTEN_API", "127.0.0.1:0")
			env.Setenv("CALMS_CLOUDD_LISTEN_BROKER", "127.0.0.1:0")
			env.Setenv("CALMS_CLOUDD_LISTEN_PRIVATE", "127.0.0.1:0")
			env.Setenv("CALMS_CLOUDD_DATA", env.WorkDir+"/data")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "status": status},
	})
}

// until repeats a command until it succeeds (or, negated, fails).
func until(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if (err == nil) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("until %v: waited in vain: %v", args, err)
		}
	}
}

// status runs a command and compares its exit status: status CODE COMMAND…
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, code := args[0], "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		code = exitCode(err)
	}
	if code != want {
		ts.Fatalf("exit status %s, want %s", code, want)
	}
}
