package settings

import (
	"slices"
	"testing"
)

func TestStrangers(t *testing.T) {
	table := Table{EnvPrefix: "SETTINGS_TEST", Settings: []Setting{{Key: "public.hosts", Default: ""}}}
	for _, name := range []string{"PUBLIC_HOSTS", "DATA", "CONFIG", "PUBLIC_HOST", "LOGLEVEL"} {
		t.Setenv("SETTINGS_TEST_"+name, "x")
	}
	if got, want := table.Strangers(), []string{"SETTINGS_TEST_LOGLEVEL", "SETTINGS_TEST_PUBLIC_HOST"}; !slices.Equal(got, want) {
		t.Errorf("strangers are %v, want %v", got, want)
	}
}
