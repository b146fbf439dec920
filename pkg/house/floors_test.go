package house

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// room is the place of one package in the house. A package imports the standard
// library, packages of lower floors, the contract whose folder it lies in, and
// what stands here; its tests may import anything.
type room struct {
	floor     int
	beside    string // packages of its own floor, by folder
	libraries string // modules of others
}

// The floors: 0 contracts, 1 mechanisms, 2 the services of edge and cloud, 3 the
// cloud's door, 4 the programs.
var floors = map[string]room{
	"pkg/api":   {floor: 0, beside: "pkg/calms"},
	"pkg/calms": {floor: 0},
	"pkg/wire":  {floor: 0, beside: "pkg/calms", libraries: "github.com/fxamacker/cbor/v2"},

	"pkg/batch":         {floor: 1, libraries: "github.com/klauspost/compress"},
	"pkg/blob":          {floor: 1, beside: "pkg/durable"},
	"pkg/blob/blobtest": {floor: 1},
	"pkg/certs":         {floor: 1, beside: "pkg/durable"},
	"pkg/crash":         {floor: 1},
	"pkg/daemon": {floor: 1, beside: "pkg/durable",
		libraries: "github.com/coreos/go-systemd/v22 github.com/prometheus/client_golang golang.org/x/term"},
	"pkg/durable":     {floor: 1, libraries: "golang.org/x/sys"},
	"pkg/endtoend":    {floor: 1},
	"pkg/escrow":      {floor: 1, libraries: "filippo.io/age"},
	"pkg/facts":       {floor: 1, beside: "pkg/store"},
	"pkg/house":       {floor: 1},
	"pkg/program":     {floor: 1, libraries: "github.com/spf13/cobra"},
	"pkg/replica":     {floor: 1, beside: "pkg/batch"},
	"pkg/replication": {floor: 1},
	"pkg/seal":        {floor: 1},
	"pkg/settings":    {floor: 1, libraries: "github.com/spf13/viper go.yaml.in/yaml/v3"},
	"pkg/store":       {floor: 1, libraries: "github.com/mattn/go-sqlite3 github.com/pressly/goose/v3"},

	"pkg/edge/agent":             {floor: 2},
	"pkg/edge/archive":           {floor: 2},
	"pkg/edge/clock":             {floor: 2, libraries: "golang.org/x/sys"},
	"pkg/edge/identity":          {floor: 2},
	"pkg/edge/journal":           {floor: 2},
	"pkg/edge/sensor":            {floor: 2},
	"pkg/edge/sensor/modbus":     {floor: 2, libraries: "github.com/simonvetter/modbus"},
	"pkg/edge/sensor/profile":    {floor: 2, beside: "pkg/edge/sensor/modbus", libraries: "go.yaml.in/yaml/v3"},
	"pkg/edge/sensor/sensortest": {floor: 2},
	"pkg/edge/sensor/simulate": {floor: 2, beside: "pkg/edge/sensor/modbus pkg/edge/sensor/profile",
		libraries: "github.com/simonvetter/modbus"},
	"pkg/edge/uplink":      {floor: 2},
	"pkg/edge/uplink/mqtt": {floor: 2, libraries: "github.com/eclipse/paho.mqtt.golang"},

	"pkg/cloud/alarm":             {floor: 2},
	"pkg/cloud/backup":            {floor: 2, libraries: "filippo.io/age github.com/klauspost/compress"},
	"pkg/cloud/broker":            {floor: 2, libraries: "github.com/mochi-mqtt/server/v2"},
	"pkg/cloud/broker/brokertest": {floor: 2, libraries: "github.com/eclipse/paho.mqtt.golang"},
	"pkg/cloud/fleet":             {floor: 2},
	"pkg/cloud/history":           {floor: 2},
	"pkg/cloud/identity":          {floor: 2},
	"pkg/cloud/ingest":            {floor: 2},
	"pkg/cloud/pki":               {floor: 2},

	"pkg/cloud/httpapi": {floor: 3, libraries: "github.com/danielgtaylor/huma/v2"},

	"cmd/calms-cloudd": {floor: 4, libraries: "filippo.io/age github.com/prometheus/client_golang " +
		"github.com/spf13/cobra golang.org/x/sync"},
	"cmd/calms-edge": {floor: 4, libraries: "github.com/prometheus/client_golang " +
		"github.com/spf13/cobra go.yaml.in/yaml/v3 golang.org/x/sys golang.org/x/term"},
	"cmd/calmsctl": {floor: 4, libraries: "filippo.io/age github.com/olekukonko/tablewriter " +
		"github.com/spf13/cobra github.com/spf13/pflag github.com/spf13/viper go.yaml.in/yaml/v3 golang.org/x/sys golang.org/x/term"},
	"cmd/calmsctl/chart": {floor: 3},
	"cmd/calmsctl/demo":  {floor: 3},
}

// onlyTests are packages that no program links.
func onlyTests(path string) bool {
	return strings.HasSuffix(path, "test") || slices.Contains([]string{"pkg/endtoend", "pkg/house", "pkg/replication"}, path)
}

func TestEveryPackageHasItsFloor(t *testing.T) {
	missing := maps.Clone(floors)
	for _, p := range own(t) {
		delete(missing, p.path())
		if _, known := floors[p.path()]; !known {
			t.Errorf("%s has no floor: give it a line in pkg/house/floors_test.go and in the table of docs/architecture.md, or remove it", p.path())
		}
	}
	for path := range missing {
		t.Errorf("%s is in the table of floors and not in the repository: remove its line", path)
	}
}

func TestImportsPointDown(t *testing.T) {
	modules := map[string]string{} // of packages that are not ours
	for _, p := range everything(t) {
		if p.Module != nil && !p.ours() {
			modules[p.ImportPath] = p.Module.Path
		}
	}
	for _, p := range own(t) {
		from, known := floors[p.path()]
		if !known {
			continue // told above
		}
		for _, imported := range p.Imports {
			if path, ours := strings.CutPrefix(imported, module+"/"); ours {
				checkImport(t, p.path(), path)
			} else if m := modules[imported]; m != "" && !slices.Contains(strings.Fields(from.libraries), m) {
				t.Errorf("%s imports %s: another package has this job, or the library is new; then add it to the table of floors with the reason in the commit", p.path(), m)
			}
		}
	}
}

// checkImport holds the rules between two packages of this repository.
func checkImport(t *testing.T, from, to string) {
	t.Helper()
	above, below := floors[from], floors[to]
	contract := strings.HasPrefix(from, to+"/")
	switch {
	case onlyTests(to):
		t.Errorf("%s imports %s, which is for tests only", from, to)
	case side(from) != "" && side(to) != "" && side(from) != side(to):
		t.Errorf("%s imports %s: edge and cloud meet in pkg/wire and pkg/api only", from, to)
	case below.floor > above.floor:
		t.Errorf("%s (floor %d) imports %s (floor %d): imports point down; declare the methods that you need, and wire them in cmd", from, above.floor, to, below.floor)
	case below.floor == above.floor && !contract && !slices.Contains(strings.Fields(above.beside), to):
		t.Errorf("%s imports %s of its own floor: declare the two or three methods that you need, and wire them in cmd", from, to)
	}
}

// side is "edge" or "cloud" for what belongs to one of them.
func side(path string) string {
	for _, s := range []string{"edge", "cloud"} {
		if strings.HasPrefix(path, "pkg/"+s+"/") || path == "cmd/calms-"+s || path == "cmd/calms-"+s+"d" {
			return s
		}
	}
	return ""
}

// TestTheRulesCanFail holds the guard itself to what it is for.
func TestTheRulesCanFail(t *testing.T) {
	for _, bad := range [][2]string{
		{"pkg/cloud/ingest", "pkg/cloud/history"},
		{"pkg/edge/agent", "pkg/edge/journal"},
		{"pkg/edge/uplink", "pkg/edge/uplink/mqtt"},
		{"pkg/edge/uplink", "pkg/cloud/ingest"},
		{"cmd/calms-edge", "pkg/cloud/ingest"},
		{"pkg/seal", "pkg/certs"},
		{"pkg/wire", "pkg/batch"},
		{"pkg/cloud/fleet", "pkg/cloud/httpapi"},
		{"cmd/calms-cloudd", "pkg/cloud/broker/brokertest"},
	} {
		if !fails(bad[0], bad[1]) {
			t.Errorf("%s may import %s", bad[0], bad[1])
		}
	}
	for _, good := range [][2]string{
		{"pkg/edge/uplink/mqtt", "pkg/edge/uplink"},
		{"pkg/cloud/httpapi", "pkg/cloud/history"},
		{"pkg/facts", "pkg/store"},
		{"cmd/calms-edge", "pkg/edge/journal"},
	} {
		if fails(good[0], good[1]) {
			t.Errorf("%s may not import %s", good[0], good[1])
		}
	}
}

func fails(from, to string) bool {
	var quiet testing.T
	checkImport(&quiet, from, to)
	return quiet.Failed()
}
