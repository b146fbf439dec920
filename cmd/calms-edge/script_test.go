package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){program: func() { os.Exit(run()) }})
}

// TestScripts runs the real program as its users do.
func TestScripts(t *testing.T) {
	cloud := startCloud(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("CALMS_EDGE_DATA", filepath.Join(env.WorkDir, "data"))
			good := cloud.ticket()
			foreign := good
			foreign.CA = certs.Fingerprint{1}
			for name, ticket := range map[string]wire.Ticket{"ticket": good, "foreign": foreign} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(ticket.String()), 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"eventually": eventually,
			"asked":      cloud.asked,
			"spoil":      spoil,
		},
	})
}

// eventually repeats a program until it succeeds and its output has a text.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var out strings.Builder
		err := ts.Exec(args[1], args[2:]...)
		out.WriteString(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
		if err == nil && strings.Contains(out.String(), args[0]) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%q never came: %v: %s", args[0], err, out.String())
		}
	}
}

// spoil overwrites the middle of a file.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	for i := len(text) / 4; i < len(text)*3/4; i++ {
		text[i] = 0xA5
	}
	ts.Check(os.WriteFile(path, text, 0o600))
}

// TestEveryCommandExplainsItself holds the manners of all commands.
func TestEveryCommandExplainsItself(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Example == "" || c.Short == "" || c.Args == nil {
			t.Errorf("%s has no example, no summary, or takes any arguments", c.CommandPath())
		}
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(newRoot())
}
