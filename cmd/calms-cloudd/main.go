// Calms-cloudd is the cloud: identities, certificates, broker, ingest, history,
// fleet, alarms and backup in one process on one data directory.
//
// This package wires the services of pkg/cloud and owns none of their work: the
// map of targets stands in targets.go, what one service needs of another in
// wire.go.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/program"
)

func main() { os.Exit(self().Run(newRoot())) }

// version is set by the linker (-X main.version=…) where the build knows it.
var version string

// self is this program.
func self() program.Program { return program.Program{Name: "calms-cloudd", Version: version} }

// newRoot is the tree of commands.
func newRoot() *cobra.Command {
	return self().Root(&cobra.Command{
		Short: "The CALMS cloud in one process",
		Long: `calms-cloudd watches compressed-air stations: it takes sealed batches from edges
exactly once, keeps their history, and knows its fleet, its certificates and its
backups. Without any configuration "calms-cloudd serve" is a complete cloud.`,
		Example: `  calms-cloudd serve
  calms-cloudd config show
  calms-cloudd health`,
	}, newServe(), newConfig(), self().NewHealth(probe), newAuthority())
}
