package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/escrow"
)

var update = flag.Bool("update", false, "write the expected outputs into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"calmsctl": func() {
		version = "v1.2.3"
		main()
	}})
}

// TestScripts runs the program as a user does, against a server that answers
// from testdata/api; every script has its own. A script finds in $OPERATOR and
// $RECOVERY the files that a cloud writes, in $IDENTITY and $RECIPIENT a person
// who may restore, and in requests.log what the server was asked.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup:         setup,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": mustExit},
	})
}

// quickExit spares the second that a race-checked program sleeps at its end.
const quickExit = "atexit_sleep_ms=0"

func setup(env *testscript.Env) error {
	person, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	key, err := escrow.Make([]string{person.Recipient().String()})
	if err != nil {
		return err
	}
	cloud := newCannedCloud(env.WorkDir, key.Wrapped)
	env.Defer(cloud.Close)
	leaf := cloud.Certificate().Raw
	fingerprint := sha256.Sum256(leaf)
	roots := rootsOf(cloud)
	operator, err := api.OperatorFile{URL: cloud.URL, CA: string(roots), Key: operatorKey}.Marshal()
	if err != nil {
		return err
	}
	recovery, err := api.RecoveryFile{URL: cloud.URL, Certificate: hex.EncodeToString(fingerprint[:]), Secret: recoverySecret}.Marshal()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"OPERATOR": operator, "RECOVERY": recovery, "IDENTITY": []byte(person.String() + "\n"), "ROOTS": roots,
	} {
		path := filepath.Join(env.WorkDir, "."+name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		env.Setenv(name, path)
	}
	env.Setenv("RECIPIENT", person.Recipient().String())
	env.Setenv("CLOUD_URL", cloud.URL)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("TZ", "UTC")
	env.Setenv("TERM", "xterm-256color")
	env.Setenv("GORACE", quickExit)
	return nil
}

// rootsOf is what a client must trust: the server's own certificate.
func rootsOf(cloud *cannedCloud) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cloud.Certificate().Raw})
}

// cloudEnvironment starts a cloud on a folder like that of a script and returns
// the variables that lead to it.
func cloudEnvironment(t *testing.T, work string) []string {
	t.Helper()
	cloud := newCannedCloud(work, nil)
	t.Cleanup(cloud.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, rootsOf(cloud), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"CALMS_URL=" + cloud.URL, "CALMS_CA_FILE=" + roots, "CALMS_API_KEY=" + operatorKey,
		"XDG_CONFIG_HOME=" + t.TempDir(), "TERM=xterm", "NO_COLOR=", "GORACE=" + quickExit,
	}
}

// mustExit runs a command that must end with an exit code: exits 5 calmsctl ….
func mustExit(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
