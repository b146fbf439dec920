// Command calmsctl is what engineers, scripts and people on call work with: it
// reads the command line, asks the cloud's API, and prints.
//
// Every noun has a file: org, site, device, channel, data, backup. The manners
// they share (settings, output, progress, consent, help) have theirs.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is one invocation; it returns the exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	a := newApp()
	root := newRoot(a)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return a.report(ctx, cmd, err)
}
