package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/calms"
)

func TestLogger(t *testing.T) {
	for format, want := range map[string]string{"text": "msg=hello target=broker", "json": `"msg":"hello","target":"broker"}`, "auto": `"msg":"hello"`} {
		var out bytes.Buffer
		log, err := Logger(&out, "warn", format)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("too low")
		log.Warn("hello", KeyTarget, "broker")
		if got := out.String(); !strings.Contains(got, want) || strings.Contains(got, "too low") {
			t.Errorf("%s: %s", format, got)
		}
	}
	for _, bad := range [][2]string{{"loud", "json"}, {"", "json"}, {"info", "xml"}} {
		if _, err := Logger(&bytes.Buffer{}, bad[0], bad[1]); calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("Logger(%q) = %v", bad, err)
		}
	}
}

func TestSecretShowsNowhere(t *testing.T) {
	secret := NewSecret("hunter2")
	type config struct {
		Name  string
		Token Secret
		Map   map[string]Secret
	}
	nested := config{Name: "x", Token: secret, Map: map[string]Secret{"a": secret}}
	var out bytes.Buffer
	for _, format := range []string{"text", "json"} {
		log, err := Logger(&out, "debug", format)
		if err != nil {
			t.Fatal(err)
		}
		log.Info(secret.Reveal()[:0], "secret", secret, "pointer", &secret, "nested", nested, "all", []any{secret})
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb, secret, &secret, nested)
	}
	encoded, err := json.Marshal(nested)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	if strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("the secret shows in\n%s", out.String())
	}
	if !strings.Contains(out.String(), redacted) || secret.Reveal() != "hunter2" {
		t.Error("nothing was redacted, or the secret is lost")
	}
}
