// Package blob stores whole objects under names that are written once. Bucket
// is the contract; package blobtest holds the suite that every implementation
// passes. Folder is the implementation on a file system.
package blob

import (
	"context"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// MaxObject is the largest object, in bytes. Objects are held in memory whole,
// so it bounds what a foreign bucket can make a reader allocate.
const MaxObject = 64 << 20

// Bucket is a set of named objects that are created and never changed. All
// methods are safe for concurrent use, also by several processes.
//
// Errors are of [calms.KindInvalid] for a name that [CheckName] refuses or an
// object above [MaxObject], [calms.KindUnavailable] when the place is full,
// [calms.KindUnreachable] when it is not there at all, and the context's own
// when that ended.
type Bucket interface {
	// Put creates the object. When it returns nil the object is durable and
	// visible, whole; before that and after an error it is visible whole or
	// not at all. An object of that name that exists already stays as it is, is
	// durable, and gives [calms.KindConflict].
	Put(ctx context.Context, name string, data []byte) error
	// Get returns the object's bytes; [calms.KindNotFound] when there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// Stat describes the object; [calms.KindNotFound] when there is none.
	Stat(ctx context.Context, name string) (Info, error)
	// List describes all objects whose names begin with prefix, sorted by name
	// bytewise. The prefix need not end at a slash; none matching is no error.
	List(ctx context.Context, prefix string) ([]Info, error)
}

// Info describes an object.
type Info struct {
	Name    string
	Size    int64     // bytes
	Created time.Time // by the clock of whoever keeps the bucket
}

const maxName = 200

// CheckName tells whether a name may be used: 1 to 200 bytes, segments divided
// by '/', each of lower-case letters, digits, '-', '_' and '.', beginning with
// a letter or a digit. Such names are safe on file systems that fold case, in
// URLs, and cannot leave a folder.
func CheckName(name string) error {
	if name == "" || len(name) > maxName {
		return calms.Errorf(calms.KindInvalid, "object name %.40q has %d bytes, 1 to %d are allowed", name, len(name), maxName)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || !alphanumeric(segment[0]) || strings.ContainsFunc(segment, refused) {
			return calms.Errorf(calms.KindInvalid, "object name %q: segment %q is not of a-z, 0-9, '-', '_', '.', beginning with a letter or digit", name, segment)
		}
	}
	return nil
}

func alphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func refused(r rune) bool {
	return r > 'z' || !alphanumeric(byte(r)) && !strings.ContainsRune("-_.", r)
}

func checkPut(ctx context.Context, name string, data []byte) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if len(data) > MaxObject {
		return calms.Errorf(calms.KindInvalid, "object %q has %d bytes, at most %d are allowed", name, len(data), MaxObject)
	}
	return ctx.Err()
}
