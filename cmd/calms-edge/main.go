// Calms-edge runs on the site: it reads the instruments, keeps what it read in a
// sealed journal, and brings that to the cloud.
//
// This package wires the packages of pkg/edge and owns none of their work: the
// route of a sample stands in edge.go, the list of drivers in instruments.go.
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

// errQuiet is in the chain of errors whose text the command has printed already.
var errQuiet = errors.New("reported")

// quiet is an error of a kind that has been told already.
func quiet(kind calms.Kind) *calms.Error { return calms.Errorf(kind, "%w", errQuiet) }
