package replication

// Flaw is a rule that the model breaks on purpose. A test that finds no
// schedule against a flawed model proves nothing about a sound one.
type Flaw uint8

// The flaws, each a mistake that an implementation could make.
const (
	Sound               Flaw = iota
	AckBeforeCommit          // the cloud answers, then commits
	CursorApart              // entry and cursor are two transactions
	DuplicateStored          // a number at or below the cursor is stored again
	AheadStored              // a number beyond cursor+1 is stored
	GapAhead                 // a gap beyond cursor+1 moves the cursor
	GapOverlap               // a gap that begins below the cursor moves it
	GapTooWide               // the edge's gap takes in the first entry that it still holds
	CountBeforeSync          // the edge counts an entry before the disk has it
	PubackTrusted            // the edge takes the broker's answer for an acknowledgement
	EpochKept                // a restored cloud keeps its epoch
	AcksKept                 // the edge keeps acknowledgements of another epoch
	AckedDropped             // the edge deletes what is acknowledged
	EvictedSilently          // what is evicted is skipped, without a gap
	NumberReused             // after losing its tail a journal goes on
	LossSilent               // a lost tail is not told to the cloud
	ForkIgnored              // the edge does not compare the cursor's hash
	ForkAtEachHello          // a closed journal behind its cursor starts a new one again and again
	GenerationChased         // the edge outgrows every generation that it hears of, not only after a wipe
	RevocationForgotten      // a restore brings a revoked device back
	KeyUnconfirmed           // an ingest key is used that no repository holds
	ExpiryChecked            // entries under an older certificate are refused
	ObjectsOnce              // the edge sends an object once, and not again when asked
	RegistrationIgnored      // a restored cloud does not re-adopt
	OriginIgnored            // the cloud believes the topic, not the seal
	EpochUnsaid              // only the welcome says the epoch, so that two lives of the cloud can answer one hello
	flawCount
)

var flaws = [flawCount]string{
	"sound", "ack-before-commit", "cursor-apart", "duplicate-stored", "ahead-stored", "gap-ahead", "gap-overlap",
	"gap-too-wide", "count-before-sync", "puback-trusted", "epoch-kept", "acks-kept", "acked-dropped", "evicted-silently",
	"number-reused", "loss-silent", "fork-ignored", "fork-at-each-hello", "generation-chased", "revocation-forgotten", "key-unconfirmed",
	"expiry-checked", "objects-once", "registration-ignored", "origin-ignored", "epoch-unsaid",
}

func (f Flaw) String() string { return flaws[f] }

// Flaws lists every flaw, [Sound] left out.
func Flaws() []Flaw {
	var all []Flaw
	for f := Sound + 1; f < flawCount; f++ {
		all = append(all, f)
	}
	return all
}
