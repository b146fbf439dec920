package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// quiet is an outcome that the output has already told; only the exit code is
// left to give.
type quiet calms.Kind

func (q quiet) Error() string { return string(q) }

// usage is a wrong command line.
func usage(cmd *cobra.Command, format string, args ...any) *calms.Error {
	return calms.Errorf(calms.KindUsage, format, args...).WithHint("%s --help", cmd.CommandPath())
}

// report tells the user of an error and returns the exit code: the one place
// where both are decided.
func (a *app) report(ctx context.Context, cmd *cobra.Command, err error) int {
	if err != nil && ctx.Err() != nil {
		return calms.KindInterrupted.ExitCode() // the user knows
	}
	if err = a.orLost(err); err == nil {
		return 0
	}
	if q, ok := errors.AsType[quiet](err); ok {
		return calms.Kind(q).ExitCode()
	}
	if _, ok := errors.AsType[*calms.Error](err); !ok && cmd != nil && !started(cmd) {
		err = usage(cmd, "%w", err) // cobra's own words on a wrong command line
	}
	a.printError(err)
	return calms.KindOf(err).ExitCode()
}

// orLost is err, or that the output was lost where err does not tell more: an
// exit code of 0 or 3 says that the result can be relied on.
func (a *app) orLost(err error) error {
	lost := a.stdout.lost()
	_, isQuiet := errors.AsType[quiet](err)
	_, known := errors.AsType[*calms.Error](err)
	if lost != nil && (err == nil || isQuiet || !known && errors.Is(err, a.stdout.err)) {
		return lost
	}
	return err
}

// failure is an error as -o json prints it, in the words of the API's problems.
type failure struct {
	Schema    int        `json:"schema"`
	Kind      calms.Kind `json:"kind"`
	Detail    string     `json:"detail"`
	Hint      string     `json:"hint,omitempty"`
	RequestID string     `json:"requestId,omitempty"`
	ExitCode  int        `json:"exitCode"`
}

func (a *app) printError(err error) {
	f := failure{Schema: api.Schema, Kind: calms.KindOf(err), Detail: err.Error(), Hint: calms.HintOf(err), ExitCode: calms.KindOf(err).ExitCode()}
	if problem, ok := errors.AsType[*api.Problem](err); ok {
		f.RequestID = problem.RequestID
	}
	if f.Kind == calms.KindUnauthenticated && f.Hint == "" {
		f.Hint = "calmsctl context create NAME --operator-file FILE"
	}
	if a.wantsJSON() {
		encoder := json.NewEncoder(a.stderr)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(f)
		return
	}
	request := ""
	if f.RequestID != "" {
		request = " (request " + f.RequestID + ")"
	}
	fmt.Fprintf(a.stderr, "calmsctl: error: %s%s\n", f.Detail, request)
	if f.Hint != "" {
		fmt.Fprintf(a.stderr, "calmsctl: hint: %s\n", f.Hint)
	}
}

// warn tells of something that does not stop the command.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintf(a.stderr, "calmsctl: warning: "+format+"\n", args...)
}

// note tells people what happened. Data goes to the standard output, words go
// here; programs that read JSON get none.
func (a *app) note(format string, args ...any) {
	if !a.wantsJSON() {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// warnIfShared tells when a file with a secret can be read by others.
func (a *app) warnIfShared(file *os.File) {
	info, err := file.Stat()
	if err != nil || runtime.GOOS == "windows" || !info.Mode().IsRegular() {
		return
	}
	if info.Mode().Perm()&0o077 != 0 {
		a.warn("%s can be read by others: chmod 600 %s", file.Name(), file.Name())
	}
}
