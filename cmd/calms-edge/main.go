// Calms-edge runs on the site: it reads the instruments, keeps what it read in a
// sealed journal, and brings that to the cloud.
//
// This package wires the packages of pkg/edge and owns none of their work: the
// route of a sample stands in edge.go, the list of drivers in instruments.go.
package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/daemon"
	"go.calms.com/calms/pkg/program"
)

func main() { os.Exit(self().Run(newRoot())) }

// version is set by the linker (-X main.version=…) where the build knows it.
var version string

// self is this program.
func self() program.Program {
	return program.Program{Name: "calms-edge", Version: version, Config: "/etc/calms/edge.yaml"}
}

// newRoot is the tree of commands.
func newRoot() *cobra.Command {
	health := self().NewHealth(daemon.Probe)
	health.Long += "\nWhether the cloud can be reached is another question: calms-edge status."
	return self().Root(&cobra.Command{
		Short: "The CALMS edge: reads instruments, keeps what it read, brings it to the cloud",
		Long: `calms-edge stands beside a compressed-air station. It reads instruments at the
multiples of their intervals, seals what it read to the cloud's key, keeps it in a
journal on disk, and brings it to the cloud whenever there is a way to.

Exit status: 0 done; 1 error; 3 some checks failed; 4 not allowed; 5 not found or
not enrolled; 6 conflict or in use; 7 unreachable or too late; 8 not ready;
64 wrong usage; 130 interrupted.`,
		Example: `  calms-edge enroll --ticket-file ticket
  calms-edge run --config edge.yaml
  calms-edge status
  calms-edge doctor`,
	}, newEnroll(), newRun(), newStatus(), newDoctor(), newConfig(), newJournal(), newSimulate(), health)
}

// The places in a data directory.
func identityDir(data string) string { return filepath.Join(data, "identity") }
func stateDir(data string) string    { return filepath.Join(data, "state") }
func importDir(data string) string   { return filepath.Join(data, "import") }
func journalFile(data string) string { return filepath.Join(data, "journal.db") }
