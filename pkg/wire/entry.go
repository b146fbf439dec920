package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"go.calms.com/calms/pkg/calms"
)

// Hash is a SHA-256. The zero hash stands before the first entry of a journal.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:8]) }

// IsZero reports whether h is the hash before the first entry.
func (h Hash) IsZero() bool { return h == Hash{} }

// JournalID names one journal of one device: one append-only sequence of
// entries, numbered 1, 2, 3 … without holes.
type JournalID struct {
	_          struct{} `cbor:",toarray"`
	Device     calms.DeviceID
	Generation uint64
	Random     [8]byte
}

// Name is the journal's name within its device: generation and random id.
func (j JournalID) Name() string { return fmt.Sprintf("%d-%x", j.Generation, j.Random) }

func (j JournalID) String() string { return string(j.Device) + "/" + j.Name() }

// ParseJournalName is the inverse of [JournalID.Name] for a known device.
func ParseJournalName(device calms.DeviceID, name string) (JournalID, error) {
	id := JournalID{Device: device}
	var random []byte
	if _, err := fmt.Sscanf(name, "%d-%x", &id.Generation, &random); err != nil || len(random) != len(id.Random) {
		return JournalID{}, calms.Errorf(calms.KindInvalid, "%.60q is not a journal name such as 1-0123456789abcdef", name)
	}
	copy(id.Random[:], random)
	if id.Name() != name {
		return JournalID{}, calms.Errorf(calms.KindInvalid, "%.60q is not a journal name in its one spelling", name)
	}
	return id, nil
}

// EntryKind says what an entry holds.
type EntryKind uint8

// The kinds of entry.
const (
	KindBatch  EntryKind = 1 // samples: package batch
	KindAnchor EntryKind = 2 // [Anchor]
	KindConfig EntryKind = 3 // what was in force from here on: [Config]
)

func (k EntryKind) String() string {
	switch k {
	case KindBatch:
		return "batch"
	case KindAnchor:
		return "anchor"
	case KindConfig:
		return "config"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// Header is everything of an entry that stands outside its ciphertext.
type Header struct {
	_       struct{} `cbor:",toarray"`
	Number  uint64
	Kind    EntryKind
	Prev    Hash   // hash of the whole entry before; zero for number 1
	Total   uint64 // samples of the journal up to and with this entry
	Session Hash   // the session object whose key seals this entry
	Objects []Hash // further objects that are needed to understand it
}

// Entry is one sealed journal entry.
type Entry struct {
	_ struct{} `cbor:",toarray"`
	Header
	Sealed []byte // nonce, ciphertext and tag, see package seal
}

// Hash covers the whole entry and the journal that it belongs to.
func (e Entry) Hash(j JournalID) Hash {
	return sha256.Sum256(labelled("calms entry", j, e))
}

// AssociatedData is what the seal of an entry authenticates beside its content.
func (h Header) AssociatedData(j JournalID) []byte {
	return labelled("calms entry seal", j, h)
}

// labelled encodes values behind a label, so that bytes made for one purpose
// never pass for another.
func labelled(label string, values ...any) []byte {
	return Encode(append([]any{label}, values...))
}

// Loss is a range of entries that an edge no longer holds: what its ledger says,
// and what a [Gap] tells the cloud.
type Loss struct {
	First, Last  uint64
	Hash         Hash   // of entry Last
	Total        uint64 // samples of the journal up to and with entry Last
	Since, Until int64  // UTC nanoseconds of what was in it, 0 where unknown
	Reason       string
}

// Anchor ties the monotonic clock of one boot to UTC. It is the plaintext of an
// entry of kind [KindAnchor].
type Anchor struct {
	_     struct{} `cbor:",toarray"`
	Boot  [16]byte // random id of the boot whose monotonic clock is meant
	Mono  int64    // nanoseconds of that clock
	UTC   int64    // nanoseconds since 1970 at that moment
	Error int64    // bound of UTC's error in nanoseconds
}

// Offset is UTC minus monotonic time.
func (a Anchor) Offset() int64 { return a.UTC - a.Mono }

// Config tells what was in force from this entry on; the plaintext of an entry
// of kind [KindConfig].
type Config struct {
	_       struct{} `cbor:",toarray"`
	Boot    [16]byte
	Mono    int64
	Version string // of calms-edge
	Digest  Hash   // of the configuration file
	Reason  string // why a new journal or configuration begins: "first start", "wiped", …
}
