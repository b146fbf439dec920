package wire

import (
	"fmt"

	"go.calms.com/calms/pkg/calms"
)

// Registration is what the cloud signed about a device at enrolment. A restored
// cloud that does not know the device adopts it again from this, and from
// nothing that the device claims.
type Registration struct {
	_            struct{} `cbor:",toarray"`
	Device       calms.DeviceID
	Organisation string // id
	Path         calms.Path
	Shard        uint32
	Issued       int64 // nanoseconds since 1970
}

// SignedRegistration is a registration with the cloud's signature over Body.
type SignedRegistration struct {
	_         struct{} `cbor:",toarray"`
	Body      []byte   // [Encode] of a [Registration]
	Signature []byte
}

// Entries is a message up: consecutive entries of one journal.
type Entries struct {
	_       struct{} `cbor:",toarray"`
	Journal JournalID
	Attempt uint64 // grows with each rewind of the sender; the cursor message repeats it
	Entries []Entry
}

// Objects is a message up: objects that entries need.
type Objects struct {
	_       struct{} `cbor:",toarray"`
	Objects [][]byte
}

// Gap is a message up: the edge's statement that entries are lost.
type Gap struct {
	_ struct{} `cbor:",toarray"`
	GapHeader
	Sealed []byte // of a [GapDetail]
}

// GapHeader is everything of a gap that stands outside its ciphertext.
type GapHeader struct {
	_        struct{} `cbor:",toarray"`
	Journal  JournalID
	First    uint64
	Last     uint64
	LastHash Hash   // hash of entry Last
	Total    uint64 // samples of the journal up to and with entry Last
	Session  Hash
	Attempt  uint64
}

// AssociatedData is what the seal of a gap authenticates beside its detail.
func (h GapHeader) AssociatedData() []byte { return labelled("calms gap seal", h) }

// GapDetail is the sealed part of a gap.
type GapDetail struct {
	_      struct{} `cbor:",toarray"`
	From   int64    // UTC nanoseconds of the first lost sample, 0 where unknown
	To     int64    // of the last one
	Reason string   // "evicted", "damaged"
}

// Held is one journal as the edge holds it.
type Held struct {
	_       struct{} `cbor:",toarray"`
	Journal JournalID
	First   uint64 // lowest number still held; Last+1 where nothing is
	Last    uint64 // head; 0 where nothing was ever written
	Hash    Hash   // of the head
	Oldest  int64  // UTC nanoseconds of the oldest sample still held, 0 where unknown
}

// StatementKind says what a [Statement] states.
type StatementKind uint8

// The kinds of statement.
const (
	// StatementTailLost: entries after Number of the journal are gone; how many
	// there were is not known.
	StatementTailLost StatementKind = 1
	// StatementBranch: the journal has forked, and the entry Number with its
	// Hash ends the branch that the cloud does not have.
	StatementBranch StatementKind = 2
	// StatementWiped: the device lost all journals that it no longer holds. The
	// journal is the one that was begun then.
	StatementWiped StatementKind = 3
)

func (k StatementKind) String() string {
	switch k {
	case StatementTailLost:
		return "tail-lost"
	case StatementBranch:
		return "branch"
	case StatementWiped:
		return "wiped"
	default:
		return fmt.Sprintf("statement %d", uint8(k))
	}
}

// Statement is what an edge has to say about the end of a journal. It says it
// in every hello, so that no loss is silent.
type Statement struct {
	_       struct{} `cbor:",toarray"`
	Kind    StatementKind
	Journal JournalID
	Number  uint64
	Hash    Hash
	Reason  string
}

// Hello is the message up that begins every conversation.
type Hello struct {
	_    struct{} `cbor:",toarray"`
	Body []byte   // [Encode] of a [HelloBody]
	MAC  []byte   // under the session's key for messages up
}

// HelloBody is what a hello says.
type HelloBody struct {
	_            struct{} `cbor:",toarray"`
	Registration SignedRegistration
	Session      []byte // the current session object, whole
	Journals     []Held // oldest first; the last one is current
	Statements   []Statement
	Boot         [16]byte
	Nonce        [16]byte // fresh for each hello
}

// Welcome is the message down that answers a hello.
type Welcome struct {
	_    struct{} `cbor:",toarray"`
	Body []byte   // [Encode] of a [WelcomeBody]
	MAC  []byte   // under the session's key for messages down
}

// WelcomeBody is what a welcome says.
type WelcomeBody struct {
	_             struct{} `cbor:",toarray"`
	Epoch         calms.Epoch
	Nonce         [16]byte // of the hello
	Cursors       []Position
	MaxGeneration uint64 // highest that the cloud remembers of this device's other journals
	IngestKeys    []IngestKey
}

// Position is the cloud's cursor in one journal.
type Position struct {
	_       struct{} `cbor:",toarray"`
	Journal JournalID
	Number  uint64 // everything up to it is stored or covered by a gap
	Hash    Hash   // of that entry
	Covered uint64 // the newest snapshot holds everything up to it
}

// IngestKey is a public key that session keys may be wrapped to, newest first.
type IngestKey struct {
	_         struct{} `cbor:",toarray"`
	ID        string
	PublicKey []byte // PKIX DER
}

// Cursor is the message down that acknowledges: the only acknowledgement.
type Cursor struct {
	_    struct{} `cbor:",toarray"`
	Body []byte   // [Encode] of a [CursorBody]
	MAC  []byte
}

// CursorBody is what a cursor message says.
type CursorBody struct {
	_       struct{} `cbor:",toarray"`
	Epoch   calms.Epoch
	Nonce   [16]byte // of the hello that this conversation began with
	Counter uint64   // grows with every message of the conversation
	Position
	Rewind  bool   // entries above the next one arrived: send from Number+1 again
	Forked  bool   // the next entry that arrived does not follow the cursor's: this journal is not the cloud's
	Attempt uint64 // of the message that this answers
	Need    []Hash // objects that the cloud lacks
}
