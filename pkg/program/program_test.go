package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
)

// sample is a program whose command fail returns an error.
func sample(err error) (Program, *cobra.Command) {
	p := Program{Name: "calms-test", Version: "v1.2.3"}
	fail := &cobra.Command{Use: "fail", Args: ExactArgs(1), RunE: func(*cobra.Command, []string) error { return err }}
	probe := func(_ context.Context, dir string) error {
		if dir != "/there" {
			return calms.Errorf(calms.KindUnreachable, "nobody in %s", dir)
		}
		return nil
	}
	config := Configuration{
		Check:  func(file string) (map[string]int, error) { return map[string]int{"things": 2}, nil },
		Show:   func(w io.Writer, file string) error { _, err := fmt.Fprintln(w, "shown:", file); return err },
		Schema: func(w io.Writer) error { _, err := fmt.Fprintln(w, "{}"); return err },
	}
	return p, p.Root(&cobra.Command{Short: "A program"}, fail, p.NewHealth(probe), p.NewConfig(config))
}

// run is a run of the program with what it says; errors are reported as
// [Program.Run] does.
func run(err error, args ...string) (code int, stdout, stderr string) {
	p, root := sample(err)
	var out, complaint bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(args)
	if err := root.ExecuteContext(context.Background()); err != nil {
		p.report(&complaint, err)
		code = calms.KindOf(err).ExitCode()
	}
	return code, out.String(), complaint.String()
}

func TestErrorsBecomeMessageHintAndCode(t *testing.T) {
	for _, c := range []struct {
		err    error
		args   string
		code   int
		stderr string
	}{
		{nil, "fail x", 0, ""},
		{errors.New("boom"), "fail x", 1, "calms-test: error: boom\n"},
		{calms.Errorf(calms.KindNotFound, "no pump").WithHint("buy one"), "fail x", 5, "calms-test: error: no pump\ncalms-test: hint: buy one\n"},
		{Quiet(calms.KindPartial), "fail x", 3, ""},
		{Quiet(calms.KindPartial).WithHint("again"), "fail x", 3, "calms-test: hint: again\n"},
		{calms.Errorf(calms.KindInterrupted, "stopped"), "fail x", 130, "calms-test: error: stopped\n"},
		{nil, "fail", 64, "calms-test: error: accepts 1 arg(s), received 0\ncalms-test: hint: calms-test fail --help\n"},
		{nil, "fial", 64, "calms-test: error: unknown command \"fial\" for \"calms-test\"\ncalms-test: hint: calms-test --help\n"},
		{nil, "config shw", 64, "calms-test: error: unknown command \"shw\" for \"calms-test config\"\ncalms-test: hint: calms-test config --help\n"},
		{nil, "version --flog", 64, "calms-test: error: unknown flag: --flog\ncalms-test: hint: calms-test version --help\n"},
		{nil, "version -o yaml", 64, "calms-test: error: invalid argument \"yaml\" for \"-o, --output\" flag: it is neither table nor json\ncalms-test: hint: calms-test version --help\n"},
		{nil, "completion tcsh", 64, "calms-test: error: there is no completion for \"tcsh\": bash, zsh, fish, powershell\ncalms-test: hint: calms-test completion --help\n"},
		{nil, "health --data /gone", 7, "calms-test: error: nobody in /gone\n"},
	} {
		code, _, stderr := run(c.err, strings.Fields(c.args)...)
		if code != c.code || stderr != c.stderr {
			t.Errorf("%s (%v): code %d, %q", c.args, c.err, code, stderr)
		}
	}
}

func TestWhatCommandsPrint(t *testing.T) {
	for args, want := range map[string]string{
		"version":                  "calms-test v1.2.3\n",
		"version -o json":          "{\n  \"schema\": 1,\n  \"version\": \"v1.2.3\"\n}\n",
		"health --data /there":     "ready\n",
		"config check":             "the configuration is valid: 2 things\n",
		"config check -o json":     "{\n  \"schema\": 1,\n  \"file\": \"\",\n  \"things\": 2,\n  \"valid\": true\n}\n",
		"config show --config x":   "shown: x\n",
		"config schema":            "{}\n",
		"config show --help":       "CALMS_TEST_LOG_LEVEL=debug calms-test config show",
		"config check --help":      "calms-test config check --config /etc/calms/test.yaml",
		"__complete version -o ":   "json",
		"__complete completion fi": "fish",
		"completion bash":          "bash completion",
		"completion zsh":           "#compdef calms-test",
		"completion fish":          "fish completion",
		"completion powershell":    "Register-ArgumentCompleter",
		"config":                   "Available Commands:",
	} {
		words := strings.Split(args, " ")
		code, stdout, stderr := run(nil, words...)
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("%q: code %d, %s%s, want %q", args, code, stdout, stderr, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	p, _ := sample(nil)
	for _, name := range []string{"CALMS_TEST_DATA", "CALMS_TEST_CONFIG"} {
		t.Setenv(name, "")
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if dir, err := p.DataDir("x"); err != nil || dir != filepath.Join(here, "x") {
		t.Errorf("a flag gives %s, %v", dir, err)
	}
	want := "/state/calms-test"
	if os.Geteuid() == 0 {
		want = "/var/lib/calms-test"
	}
	t.Setenv("XDG_STATE_HOME", "/state")
	if dir, err := p.DataDir(""); err != nil || dir != want {
		t.Errorf("the default is %s, %v", dir, err)
	}
	t.Setenv("CALMS_TEST_DATA", "/env")
	if dir, err := p.DataDir(""); err != nil || dir != "/env" {
		t.Errorf("the environment gives %s, %v", dir, err)
	}

	if file := p.ConfigFile(""); file != "" {
		t.Errorf("the configuration is %q, without any", file)
	}
	p.Config = filepath.Join(t.TempDir(), "test.yaml")
	if file := p.ConfigFile(""); file != "" {
		t.Errorf("the configuration is %q, which is not there", file)
	}
	if err := os.WriteFile(p.Config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if file := p.ConfigFile(""); file != p.Config {
		t.Errorf("the configuration is %q", file)
	}
	t.Setenv("CALMS_TEST_CONFIG", "env.yaml")
	if a, b := p.ConfigFile(""), p.ConfigFile("flag.yaml"); a != "env.yaml" || b != "flag.yaml" {
		t.Errorf("the configuration is %q, and with a flag %q", a, b)
	}
}
