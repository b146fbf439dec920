package api_test

import (
	"strings"
	"testing"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func TestFilesRoundTrip(t *testing.T) {
	operator := api.OperatorFile{URL: "https://c", CA: "pem\n", Key: "k"}
	data, err := operator.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	operator.Version = api.FileVersion
	if got, err := api.ParseOperatorFile(data); err != nil || got != operator {
		t.Errorf("ParseOperatorFile = %+v, %v", got, err)
	}
	recovery := api.RecoveryFile{URL: "https://c", Certificate: strings.Repeat("0a", 32), Secret: "s"}
	data, err = recovery.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	recovery.Version = api.FileVersion
	got, err := api.ParseRecoveryFile(data)
	if pin, _ := got.Pin(); err != nil || got != recovery || pin[31] != 0x0a {
		t.Errorf("ParseRecoveryFile = %+v, %v", got, err)
	}
}

func TestFilesRefuse(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "EOF",
		"{\n\"version\": 1,\n\"x\": 1}":  `unknown field "x"`,
		"{\n\"version\": 1,\n\"url\" 1}": "line 3",
		`{"version":2,"news":true}`:      "version 2 is newer",
		`{"url":"https://c"}`:            "field version",
		`{"version":1,"url":"https://c","ca":"x"}`:           "field key is missing",
		`{"version":1,"url":"https://c","ca":"x","key":[7]}`: "line 1",
		"{\"version\":1}\n{}":                                "something follows",
	} {
		_, err := api.ParseOperatorFile([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("ParseOperatorFile(%q) = %v, want %q", text, err, want)
		}
	}
	if _, err := api.ParseRecoveryFile([]byte(`{"version":1,"url":"u","certificate":"zz","secret":"top-secret"}`)); err == nil || strings.Contains(err.Error(), "top-secret") {
		t.Errorf("a malformed fingerprint: %v", err)
	}
}

func FuzzParseFiles(f *testing.F) {
	f.Add([]byte(`{"version":1,"url":"https://c","ca":"x","key":"k"}`))
	f.Add([]byte(`{"version":1,"url":"https://c","certificate":"00","secret":"k"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := api.ParseOperatorFile(data); err == nil && (file.Version != api.FileVersion || file.Key == "") {
			t.Errorf("accepted %q", data)
		}
		if file, err := api.ParseRecoveryFile(data); err == nil && len(file.Certificate) != 64 {
			t.Errorf("accepted %q", data)
		}
	})
}
