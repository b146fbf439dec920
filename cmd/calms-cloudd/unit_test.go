package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/wire"
)

func takeTestPlace(t *testing.T) *place {
	t.Helper()
	p, err := takePlace(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.close() })
	return p
}

// A restore that died while it moved databases into place is started over.
func TestVacate(t *testing.T) {
	p := takeTestPlace(t)
	if err := p.vacate(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pki.db", recoveryName, filepath.Join(restoringName, "fleet.db")} {
		if err := os.WriteFile(p.path(name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.ordinary(); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("half a restore is ordinary: %v", err)
	}
	if err := p.vacate(); err != nil {
		t.Fatal(err)
	}
	names, err := p.names()
	if err != nil || len(names) != 1 || names[0] != restoringName || p.has(filepath.Join(restoringName, "fleet.db")) {
		t.Errorf("after starting over: %v, %v", names, err)
	}
	if err := p.restored(); err != nil {
		t.Fatal(err)
	}
	if err := p.ordinary(); err != nil {
		t.Errorf("after the end: %v", err)
	}
	if err := os.WriteFile(p.path("pki.db"), []byte("whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.vacate(); calms.KindOf(err) != calms.KindConflict || !p.has("pki.db") {
		t.Errorf("a cloud was vacated: %v", err)
	}
}

// Renewal past expiry stays shut while facts may be missing.
func TestPastExpiry(t *testing.T) {
	c := &cloud{place: takeTestPlace(t)}
	if err := c.pastExpiry(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(c.place.path(incompleteName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.pastExpiry(t.Context()); calms.KindOf(err) != calms.KindForbidden || calms.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestMargin(t *testing.T) {
	snapshot := time.Unix(1000, 0).UTC()
	journal := func(held, cursor, covered uint64, oldest time.Time) replica.Journal {
		j := replica.Journal{Held: held, Cursor: replica.Cursor{Number: cursor, Covered: covered}}
		if !oldest.IsZero() {
			j.Oldest = oldest.UnixNano()
		}
		return j
	}
	for name, c := range map[string]struct {
		snapshot              *time.Time
		journal               replica.Journal
		sufficient, shrinking bool
	}{
		"all held":                  {&snapshot, journal(1, 50, 20, snapshot.Add(-time.Minute)), true, false},
		"reaches to the snapshot":   {&snapshot, journal(21, 50, 20, snapshot.Add(-time.Minute)), true, true},
		"one too few":               {&snapshot, journal(22, 50, 20, snapshot.Add(time.Minute)), false, true},
		"reaches far back":          {&snapshot, journal(5, 50, 20, snapshot.Add(-48*time.Hour)), true, false},
		"snapshot holds everything": {&snapshot, journal(51, 50, 50, time.Time{}), true, false},
		"begun after the snapshot":  {&snapshot, journal(1, 50, 0, snapshot.Add(time.Minute)), true, false},
		"no snapshot":               {nil, journal(1, 50, 0, snapshot), false, false},
	} {
		cloud := &cloud{}
		cloud.config.Backup.Interval = 12 * time.Hour
		cloud.snapshot.Store(c.snapshot)
		journals := []replica.Journal{c.journal}
		m := cloud.Margin(journals)
		if m == nil || m.Sufficient != c.sufficient || cloud.shrinking(m, journals) != c.shrinking {
			t.Errorf("%s: %+v, shrinking %v", name, m, cloud.shrinking(m, journals))
		}
	}
	if m := (&cloud{}).Margin([]replica.Journal{journal(0, 5, 0, time.Time{})}); m != nil {
		t.Errorf("a device that never said hello has the margin %+v", m)
	}
}

func TestMarks(t *testing.T) {
	id := wire.JournalID{Device: calms.NewDeviceID(), Generation: 7, Random: [8]byte{1, 2, 255}}
	m, err := parseMark(id.String(), "42")
	if err != nil || m.Journal != id || m.Number != 42 {
		t.Errorf("got %+v, %v", m, err)
	}
	for name, number := range map[string]string{"": "1", string(id.Device): "1", id.String(): "x"} {
		if _, err := parseMark(name, number); err == nil {
			t.Errorf("%q=%q was taken", name, number)
		}
	}
}

func TestLogLevelChanges(t *testing.T) {
	var out bytes.Buffer
	var c config
	c.Log.Level, c.Log.Format = "warn", "text"
	level := new(slog.LevelVar)
	log, err := newLog(&out, c, level)
	if err != nil {
		t.Fatal(err)
	}
	service := log.With("service", "x")
	service.Info("quiet")
	c.Log.Level = "debug"
	setLevel(level, c)
	service.Debug("talkative")
	if text := out.String(); strings.Contains(text, "quiet") || !strings.Contains(text, "talkative") || !strings.Contains(text, "service=x") {
		t.Errorf("logged %q", text)
	}
}

// Every setting has its place in the struct, or loading fails; and the other way
// round.
func TestSettingsMatchConfig(t *testing.T) {
	if _, err := loadConfig(""); err != nil {
		t.Fatal(err)
	}
	fields := 0
	for _, section := range reflect.VisibleFields(reflect.TypeFor[config]()) {
		fields += section.Type.NumField()
	}
	if rows := len(settingsTable().Settings); rows != fields {
		t.Errorf("%d settings, and %d fields to hold them", rows, fields)
	}
	for _, s := range settingsTable().Settings {
		if s.Doc == "" {
			t.Errorf("%s has no description", s.Key)
		}
	}
}
