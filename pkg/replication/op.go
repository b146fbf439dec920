package replication

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind says what an [Op] does.
type Kind uint8

// The kinds. Edges, messages and snapshots are named by index, taken modulo
// how many there are; an op on nothing (an empty queue, no snapshot, an edge
// that is not enrolled) does nothing. Messages in flight stand in two queues
// per edge, up and down, oldest first.
const (
	Enrol             Kind = iota // the cloud gets to know edge Edge, which starts; edge 0 always is
	Sample                        // the instrument serves one sample, which the edge has in memory
	Append                        // the samples in memory (one more if there is none) become a durable entry
	Hello                         // the edge says hello, if its link is up
	Send                          // the edge's sender sends one message, if rules and window allow
	DeliverUp                     // message N reaches the cloud, whose answers go into flight
	DropUp                        // message N is lost
	RepeatUp                      // a copy of message N goes to the end of the queue
	DelayUp                       // message N goes to the end of the queue
	MisrouteUp                    // a copy of message N reaches the cloud in the name of the next device
	DeliverDown                   // message N reaches the edge, if its link is up
	DropDown                      // as DropUp
	RepeatDown                    // as RepeatUp
	DelayDown                     // as DelayUp
	Cut                           // the edge's link goes down; what is in flight stays in flight
	Connect                       // the edge's link comes up; the edge says hello
	Tick                          // a timeout passes: who heard nothing since the last one says hello
	CrashEdge                     // the edge dies at Step and starts again; N picks the message of a cursor step
	CrashCloud                    // the cloud takes message N of the edge, dies at Step and starts again
	RestartEdge                   // the edge stops and starts: new boot, new session key
	Snapshot                      // a backup of the cloud is added to the repository
	Restore                       // the cloud's data is replaced by snapshot N
	Evict                         // the size limit takes the N+1 oldest entries of the edge
	LoseTail                      // the edge dies, recovery finds the last N+1 entries of its journal gone
	Damage                        // as LoseTail, for M+1 entries from the Nth that the edge holds
	Wipe                          // the edge dies and finds no journal at all
	Clone                         // a copy of the edge's disk starts as a further edge
	RotateIngestKey               // new session keys are wrapped to a new key from the next hello on
	RotateCertificate             // the edge gets a new certificate and begins a session with it
	Revoke                        // the edge's device is revoked
	kindCount
)

// Step is where a crash happens, between "sample taken" and "cursor handled".
type Step uint8

// The steps: those of an edge, then those of the cloud.
const (
	SampleTaken    Step = iota // an instrument has answered
	Encoded                    // the batch is columns
	Sealed                     // the entry is ciphertext
	Written                    // handed to the disk, not synced: odd N survives, even N does not
	Synced                     // durable and counted
	Sent                       // the sender has sent a message
	CursorReceived             // a message from the cloud arrived, nothing of it is stored
	CursorStored               // it is stored
	Received                   // the cloud has a message
	Opened                     // it is authenticated and opened
	InTransaction              // it is written, not committed
	Committed                  // it is committed, nothing is answered
	Replied                    // the answer is in flight
	stepCount
)

// Op is one step of a schedule. Fields that its kind does not use are zero.
type Op struct {
	Kind Kind
	Edge int
	Step Step
	N, M int
}

// shape lists the operands that a kind's text has: e(dge), s(tep), n, m.
var kinds = [kindCount]struct{ name, shape string }{
	Enrol: {"enrol", "e"}, Sample: {"sample", "e"}, Append: {"append", "e"}, Hello: {"hello", "e"}, Send: {"send", "e"},
	DeliverUp: {"deliver-up", "en"}, DropUp: {"drop-up", "en"}, RepeatUp: {"repeat-up", "en"}, DelayUp: {"delay-up", "en"},
	MisrouteUp:  {"misroute-up", "en"},
	DeliverDown: {"deliver-down", "en"}, DropDown: {"drop-down", "en"}, RepeatDown: {"repeat-down", "en"}, DelayDown: {"delay-down", "en"},
	Cut: {"cut", "e"}, Connect: {"connect", "e"}, Tick: {"tick", ""},
	CrashEdge: {"crash-edge", "esn"}, CrashCloud: {"crash-cloud", "esn"}, RestartEdge: {"restart-edge", "e"},
	Snapshot: {"snapshot", ""}, Restore: {"restore", "n"},
	Evict: {"evict", "en"}, LoseTail: {"lose-tail", "en"}, Damage: {"damage", "enm"}, Wipe: {"wipe", "e"}, Clone: {"clone", "e"},
	RotateIngestKey: {"rotate-ingest-key", ""}, RotateCertificate: {"rotate-certificate", "e"}, Revoke: {"revoke", "e"},
}

var steps = [stepCount]string{
	"sample-taken", "encoded", "sealed", "written", "synced", "sent", "cursor-received", "cursor-stored",
	"received", "opened", "in-transaction", "committed", "replied",
}

func (k Kind) String() string { return kinds[k].name }

func (s Step) String() string { return steps[s] }

// String is the op's text, such as "deliver-up 0 1" or "crash-edge 0 synced 0".
func (o Op) String() string {
	text := kinds[o.Kind].name
	for _, operand := range kinds[o.Kind].shape {
		switch operand {
		case 'e':
			text += " " + strconv.Itoa(o.Edge)
		case 's':
			text += " " + steps[o.Step]
		case 'n':
			text += " " + strconv.Itoa(o.N)
		case 'm':
			text += " " + strconv.Itoa(o.M)
		}
	}
	return text
}

// ParseOp is the inverse of [Op.String].
func ParseOp(text string) (Op, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Op{}, fmt.Errorf("parse op: empty")
	}
	kind := slices.IndexFunc(kinds[:], func(k struct{ name, shape string }) bool { return k.name == words[0] })
	if kind < 0 {
		return Op{}, fmt.Errorf("parse op %q: unknown kind %q", text, words[0])
	}
	op, shape := Op{Kind: Kind(kind)}, kinds[kind].shape
	if len(words) != 1+len(shape) {
		return Op{}, fmt.Errorf("parse op %q: %d operands, %s needs %d", text, len(words)-1, words[0], len(shape))
	}
	for i, operand := range shape {
		if err := op.set(operand, words[1+i]); err != nil {
			return Op{}, fmt.Errorf("parse op %q: operand %d: %w", text, i+1, err)
		}
	}
	return op, nil
}

func (o *Op) set(operand rune, word string) error {
	if operand == 's' {
		step := slices.Index(steps[:], word)
		if step < 0 || (Step(step) >= Received) != (o.Kind == CrashCloud) {
			return fmt.Errorf("%q is not a step of this side", word)
		}
		o.Step = Step(step)
		return nil
	}
	n, err := strconv.ParseUint(word, 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a small number", word)
	}
	*map[rune]*int{'e': &o.Edge, 'n': &o.N, 'm': &o.M}[operand] = int(n)
	return nil
}

// Schedule is a history: ops in order.
type Schedule []Op

// String is the schedule on one line, ops divided by "; ".
func (s Schedule) String() string {
	texts := make([]string, len(s))
	for i, op := range s {
		texts[i] = op.String()
	}
	return strings.Join(texts, "; ")
}

// ParseSchedule is the inverse of [Schedule.String]; line breaks divide ops
// too, and empty ops are skipped.
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		if strings.TrimSpace(part) == "" {
			continue
		}
		op, err := ParseOp(part)
		if err != nil {
			return nil, err
		}
		s = append(s, op)
	}
	return s, nil
}
