package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/certs"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){self().Name: main})
}

// TestScripts runs the real program as its users do. Each script has a cloud to
// enrol at, and a free port for an instrument.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setUp,
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"eventually": eventually, "asked": asked, "spoil": spoil},
	})
}

type cloudKey struct{}

func setUp(env *testscript.Env) error {
	cloud := startCloud(env.T().(testing.TB))
	env.Values[cloudKey{}] = cloud
	address, err := freeAddress()
	if err != nil {
		return err
	}
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("CALMS_EDGE_DATA", filepath.Join(env.WorkDir, "data"))
	env.Setenv("INSTRUMENT", address)
	foreign := cloud.ticket()
	foreign.CA = certs.Fingerprint{1}
	for name, content := range map[string]string{
		"ticket":    cloud.ticket().String(),
		"foreign":   foreign.String(),
		"edge.yaml": fmt.Sprintf(edgeConfig, address),
	} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const edgeConfig = `instruments:
  - name: main
    profile: suto-s430
    address: %s
    interval: 100ms
    timeout: 80ms
    channels: [{point: flow, name: flow}]
batch: 200ms
`

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
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
