// Calms-cloudd is the cloud: identities, certificates, broker, ingest, history,
// fleet, alarms and backup in one process on one data directory.
//
// This package wires the services of pkg/cloud and owns none of their work: the
// map of targets stands in targets.go, what one service needs of another in
// wire.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.calms.com/calms/pkg/calms"
)

func main() { os.Exit(run()) }

// run is the program without the exit.
func run() int {
	err := newRoot().ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	report(os.Stderr, err)
	return calms.KindOf(err).ExitCode()
}

// report tells an error and what to do next.
func report(w io.Writer, err error) {
	if !errors.Is(err, errQuiet) {
		fmt.Fprintf(w, "%s: error: %v\n", program, err)
	}
	if hint := calms.HintOf(err); hint != "" {
		fmt.Fprintf(w, "%s: hint: %s\n", program, hint)
	}
}

// errQuiet is in the chain of errors that the command has printed already.
var errQuiet = errors.New("reported")
