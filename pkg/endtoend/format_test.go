package endtoend

import (
	"database/sql"
	"os"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3" // the driver of the files that are opened here
)

// TestMalformedConfiguration: file, line and field are named by the programs
// that would run on it, and not only by those that check it.
func TestMalformedConfiguration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	instrument := "instruments:\n  - name: main\n    profile: %s\n    address: 127.0.0.1:502\n"
	for name, text := range map[string]string{
		"field":    "batch: 1s\njornal: {limit: 1GiB}\n",
		"value":    "batch: 1s\nuplink:\n  window: wide\n",
		"section":  "batch: 1s\nlog: loud\n",
		"yaml":     "batch: 1s\n  log: [\n",
		"profile":  "batch: 1s\n" + strings.ReplaceAll(instrument, "%s", "unheard-of"),
		"instr":    "batch: 1s\n" + strings.ReplaceAll(instrument, "%s", "suto-s430") + "    intervall: 1s\n",
		"newer":    "batch: 1s\n" + strings.ReplaceAll(instrument, "%s", r.file("newer-profile.yaml")),
		"cloud":    "listen:\n  apy: 127.0.0.1:0\n",
		"duration": "certificates:\n  device: 24\n",
	} {
		r.write(name+".yaml", text)
	}
	r.write("newer-profile.yaml", "version: 2\nname: newer\nprotocol: modbus\n")
	for name, says := range map[string][]string{
		"field":   {"field.yaml:2: ", `"jornal"`, "hint: "},
		"value":   {"value.yaml:3: ", "uplink.window", `"wide"`},
		"section": {"section.yaml:2: "},
		"yaml":    {"yaml.yaml:2:"},
		"profile": {"profile.yaml:3: ", `no profile "unheard-of"`, "known: ", "hint: "},
		"instr":   {"instr.yaml:6: ", `instruments[0]`, `"intervall"`},
		"newer":   {"newer-profile.yaml:1: ", "version", "2 is newer", "update calms-edge"},
	} {
		r.refused(1, says, "calms-edge config check --config %s.yaml", name)
		if name != "profile" && name != "newer" {
			r.refused(1, says, "calms-edge run --data edge --config %s.yaml", name)
		}
	}
	for name, says := range map[string][]string{
		"cloud":    {"cloud.yaml:2: ", `"listen.apy"`, "hint: "},
		"duration": {"duration.yaml:2: ", "certificates.device", `"24"`},
		"yaml":     {"yaml.yaml:2:"},
	} {
		r.refused(1, says, "calms-cloudd config check --config %s.yaml", name)
		r.refused(1, says, "calms-cloudd serve --data cloud --config %s.yaml", name)
	}
	if _, err := os.Stat(r.file("cloud")); err == nil {
		t.Error("a malformed configuration left a data directory behind")
	}
}

// outdate makes a database look as if a newer program had written it.
func (r *rig) outdate(name string) {
	r.t.Helper()
	db, err := sql.Open("sqlite3", r.file(name))
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		r.t.Fatal(err)
	}
}

// TestNewerFormats: a program refuses what a newer one wrote, says so, and
// leaves it as it is.
func TestNewerFormats(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.newCloud("cloud", "")
	c.found()
	c.repository()
	c.snapshot()
	e := c.newEdge("comp-1", calm)
	e.start()
	e.measures(2)
	e.process.stop()

	operator := r.read("cloud/operator.yaml")
	r.write("operator.yaml", strings.Replace(operator, `"version": 1`, `"version": 2`, 1))
	r.refused(1, []string{"version 2 is newer", "hint: "}, "calmsctl context create newer --operator-file operator.yaml")
	r.write("recovery.yaml", `{"version": 2, "url": "https://127.0.0.1:1", "certificate": "", "secret": ""}`)
	r.refused(1, []string{"version 2 is newer", "hint: "}, "calmsctl restore --recovery-file recovery.yaml --identity person.txt --yes")

	r.outdate("comp-1/journal.db")
	r.refused(1, []string{"journal", "newer than this program", "hint: "}, "calms-edge journal stat --data comp-1")
	e.start()
	r.await("the status says that the journal is too new", func() bool {
		s, ok := e.status()
		for _, a := range s.Alarms {
			ok = ok && a.Kind == "journal" && strings.Contains(a.Text, "newer than this program")
			if ok {
				return true
			}
		}
		return false
	})
	e.process.kill()

	c.process.stop()
	r.outdate("cloud/history.db")
	r.refused(1, []string{"history", "newer than this program", "hint: "}, "calms-cloudd serve --data cloud --config cloud.yaml")
	about := r.read("repository/repository.json")
	r.write("repository/repository.json", strings.Replace(strings.Replace(about, `"version": 1`, `"version": 2`, 1), `"version":1`, `"version":2`, 1))
	r.refused(1, []string{"repository.json", "version 2 is newer", "hint: "}, "calms-cloudd serve --recover --repository repository --data new --config cloud.yaml")
}
