package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/api"
)

// The addresses were set when the lost cloud was installed, and nobody thinks of
// them on the day of the recovery.
func TestARestoredCloudAnswersWhereTheLostOneDid(t *testing.T) {
	fixPorts(t)
	t.Setenv("CALMS_CLOUDD_PUBLIC_HOSTS", "127.0.0.1,cloud.example.com")
	cloud := start(t, serveOptions{data: filepath.Join(t.TempDir(), "data")})
	cloud.ready()
	c := operatorOf(t, cloud.dir)
	folder, person := repository(t, c)
	snapshot(t, c)
	cloud.halt()

	t.Setenv("CALMS_CLOUDD_PUBLIC_HOSTS", "") // an empty variable is none
	restored := recoverInto(t, filepath.Join(t.TempDir(), "new"), folder, person)
	status := must[api.Status](t)(c.Status(t.Context()))
	if slices.ContainsFunc(status.Alarms, func(a api.Alarm) bool { return a.Kind == alarmAddress }) {
		t.Errorf("an alarm for addresses that are as they were: %+v", status.Alarms)
	}
	if e := enrolEdge(t, provision(t, c, "acme/ljubljana/comp-3")); !strings.HasPrefix(e.enrollment.API, "https://127.0.0.1:") {
		t.Errorf("edges are told of %s", e.enrollment.API)
	}
	restored.halt()

	again := start(t, serveOptions{data: restored.dir}) // and stays so
	again.ready()
	must[api.Status](t)(c.Status(t.Context()))
	again.halt()

	t.Setenv("CALMS_CLOUDD_PUBLIC_HOSTS", "127.0.0.1")
	other := start(t, serveOptions{data: restored.dir})
	other.ready()
	eventually(t, "an alarm tells of the address that is gone", func() bool {
		return slices.ContainsFunc(must[api.Status](t)(c.Status(t.Context())).Alarms, func(a api.Alarm) bool {
			return a.Kind == alarmAddress && strings.Contains(a.Text, "host cloud.example.com")
		})
	})
}

func TestAddressesFillWhatTheConfigurationLeavesOpen(t *testing.T) {
	told := addresses{addressesVersion, []string{"cloud.example.com"}, 443, 8884}
	var open config
	open.Public.Hosts, open.Listen.API, open.Listen.Broker = defaultHosts(), defaultAPI, defaultBroker
	told.adopt(&open)
	if !slices.Equal(open.Public.Hosts, told.Hosts) || open.Listen.API != ":443" || open.Listen.Broker != ":8884" {
		t.Errorf("adopted: %+v", open)
	}
	var set config
	set.Public.Hosts, set.Listen.API, set.Listen.Broker = []string{"other.example.com"}, ":8444", "127.0.0.1:8885"
	told.adopt(&set)
	if set.Public.Hosts[0] != "other.example.com" || set.Listen.API != ":8444" || set.Listen.Broker != "127.0.0.1:8885" {
		t.Errorf("overridden: %+v", set)
	}
	if got, want := told.missing(addresses{addressesVersion, set.Public.Hosts, 8444, 8884}), "host cloud.example.com, API port 443 (now 8444)"; got != want {
		t.Errorf("missing is %q, want %q", got, want)
	}
}

func TestAddressesTravelInSnapshots(t *testing.T) {
	told := addresses{addressesVersion, []string{"cloud.example.com"}, 443, 8883}
	to := addressFile{path: filepath.Join(t.TempDir(), addressesFile)}
	if got, err := to.restored(); got != nil || err != nil {
		t.Errorf("nothing was restored, but %v, %v", got, err)
	}
	var export bytes.Buffer
	if _, err := (addressFile{told: told}).Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Import(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	if got, err := to.restored(); err != nil || got.missing(told) != "" || told.missing(*got) != "" {
		t.Errorf("restored %+v, %v", got, err)
	}
	for _, bad := range []string{"", "{", `{"version":1}`, `{"version":2,"hosts":["a"]}`} {
		if _, err := to.Import(t.Context(), strings.NewReader(bad)); err == nil {
			t.Errorf("%q was imported", bad)
		}
	}
}
