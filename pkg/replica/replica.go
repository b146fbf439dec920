// Package replica is the contract between whoever receives an edge's entries
// and whoever stores them: the cloud is a replica of each journal, and its
// cursor says up to where.
package replica

import (
	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/wire"
)

// Step is one opened entry that the cursor may move over.
type Step struct {
	Number  uint64
	Prev    wire.Hash
	Hash    wire.Hash
	Total   uint64 // samples of the journal up to and with it
	Kind    wire.EntryKind
	Content []byte // the plaintext

	Batch    *batch.Batch   // what Content says, where Kind is batch
	Channels []wire.Channel // that the batch refers to
	Anchor   *wire.Anchor   // what Content says, where Kind is anchor
}

// Gap is a declared loss that the cursor may move over.
type Gap struct {
	First, Last  uint64
	Hash         wire.Hash // of entry Last
	Total        uint64    // samples of the journal up to and with entry Last
	Since, Until int64     // UTC nanoseconds, 0 where unknown
	Reason       string
}

// Object is a session object that steps need.
type Object struct {
	Name    wire.Hash
	Content []byte
}

// Cursor is how much of a journal is stored or covered by a gap.
type Cursor struct {
	Number  uint64
	Hash    wire.Hash // of entry Number
	Total   uint64    // samples up to and with it
	Covered uint64    // the newest snapshot holds everything up to it
}

// Outcome says what a commit did.
type Outcome struct {
	Cursor     Cursor // after it
	Stored     int    // entries
	Samples    int    // of the entries stored
	Duplicates int    // entries or gaps at or below the cursor, dropped
	Lost       uint64 // samples of a gap stored
	Ahead      bool   // only what lies beyond the next entry came: the edge must rewind
	Forked     bool   // the next entry does not follow the cursor's: it was refused and its branch named
}

// Journal is the state of one journal of a device.
type Journal struct {
	ID        wire.JournalID
	Cursor    Cursor
	Samples   uint64 // stored of it
	Head      uint64 // highest number that the edge told of
	Held      uint64 // lowest number that the edge held
	Oldest    int64  // UTC nanoseconds of the oldest sample that the edge held, 0 where unknown
	LastEntry int64  // UTC nanoseconds at which the newest entry was stored, 0 where none was
	Forked    string // the branches of it that are not stored here, in words; empty where there is none
}
