package calms

import (
	"errors"
	"fmt"
)

// Kind classifies an error for whoever must act on it. It maps once to an HTTP
// status (package api) and once to an exit code (see [Kind.ExitCode]).
type Kind string

// The kinds. They are part of the API: never rename one.
const (
	KindInternal        Kind = "internal"        // a fault of ours, or nothing better known
	KindInvalid         Kind = "invalid"         // the request or the file is wrong
	KindUnauthenticated Kind = "unauthenticated" // no credential, or a wrong one
	KindForbidden       Kind = "forbidden"       // known, but not allowed
	KindNotFound        Kind = "not-found"
	KindConflict        Kind = "conflict"    // it exists, it is in use, or it changed meanwhile
	KindUnreachable     Kind = "unreachable" // the other side cannot be reached
	KindTimeout         Kind = "timeout"
	KindUnavailable     Kind = "unavailable" // reached, but cannot serve now: try again
	KindPending         Kind = "pending"     // begun, not finished
	KindPartial         Kind = "partial"     // some of it was done
	KindUsage           Kind = "usage"       // a wrong command line
	KindInterrupted     Kind = "interrupted" // stopped by the user
)

// ExitCode is the process exit code for an error of this kind; the table stands
// in `calmsctl help exit-codes`. Code 2 is left to crashes.
func (k Kind) ExitCode() int {
	switch k {
	case KindPartial:
		return 3
	case KindUnauthenticated, KindForbidden:
		return 4
	case KindNotFound:
		return 5
	case KindConflict:
		return 6
	case KindUnreachable, KindTimeout, KindUnavailable:
		return 7
	case KindPending:
		return 8
	case KindUsage:
		return 64
	case KindInterrupted:
		return 130
	default:
		return 1
	}
}

// Error is the error that crosses a package border towards a user: what was
// attempted, what went wrong, and what to do next.
type Error struct {
	Op   string // what was attempted: "open journal"; may be empty
	Kind Kind
	Msg  string // what went wrong, the cause's text included; lower-case, no secret in it
	Hint string // what to do next, best a runnable command; may be empty
	Err  error  // the cause, for errors.Is and errors.As; not sent over the network
}

func (e *Error) Error() string {
	if e.Op == "" {
		return e.Msg
	}
	return e.Op + ": " + e.Msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithHint returns a copy of e that says what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Errorf makes an [Error]. A %w verb in format records the cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Msg: wrapped.Error(), Err: errors.Unwrap(wrapped)}
}

// Wrap says what was attempted when err happened, and keeps err's kind and
// hint. Wrap of nil is nil.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Kind: KindOf(err), Msg: err.Error(), Hint: HintOf(err), Err: err}
}

// KindOf is the kind of the first [Error] in err's chain, [KindInternal] where
// there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}

// HintOf is the first hint in err's chain, empty where there is none.
func HintOf(err error) string {
	for e, ok := errors.AsType[*Error](err); ok; e, ok = errors.AsType[*Error](e.Err) {
		if e.Hint != "" {
			return e.Hint
		}
	}
	return ""
}
