package house

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// exposure is how much of the machine each service may reach, by systemd's
// measure from 0 (nothing) to 10 (everything), in tenths. The edge needs serial
// lines.
var exposure = map[string]int{"calms-cloudd.service": 15, "calms-edge.service": 30}

func TestServicesAreConfined(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("no systemd-analyze: make setup installs it")
	}
	for unit, most := range exposure {
		path := filepath.Join(root, "deploy", "systemd", unit)
		out, err := exec.CommandContext(t.Context(), analyze, "security", "--no-pager", "--offline=yes", "--threshold="+strconv.Itoa(most), path).CombinedOutput()
		if err != nil {
			t.Errorf("%s: exposure above %.1f, %v\n%s", unit, float64(most)/10, err, out)
		}
	}
}
