package replication

// kind of a message.
type stream uint8

const (
	helloUp stream = iota
	objectsUp
	entriesUp
	gapUp
	welcomeDown
	cursorDown
	needDown
)

// object carries a session key: wrapped to an ingest key, vouched for by a
// certificate.
type object struct {
	id, ingestKey, certificate int
}

// message is any message of either direction. Everything in it is covered by
// the seal; only the topic, which the broker knows, is outside.
type message struct {
	stream  stream
	device  string
	session int // the object whose key authenticates the message

	nonce   int // hello and what answers it
	counter int // down: larger with every message under one nonce

	journals []tip    // hello: heads
	ends     []tip    // hello: the last entry of every consecutive run that is held
	losses   []Loss   // hello
	branches []Branch // hello
	objects  []object // hello: of the session; objects: what entries need
	entries  []entry
	gap      Range // of journal gapTip.Journal
	gapTip   tip   // the gap's last number and that entry's hash

	epoch      int   // down
	ingestKey  int   // welcome
	generation int   // welcome: the largest that the cloud knows of the device's other journals
	cursors    []tip // welcome, cursor
	rewind     bool  // cursor: what was sent did not fit
	needs      []int // need
}

// tip is a number of a journal with the hash of its entry.
type tip struct {
	Position
	hash       string
	generation int // in a hello
}

// messages in flight that a broker keeps per edge and direction; beyond it
// loses the oldest.
const queueLimit = 64

func push(queue []message, m message) []message {
	queue = append(queue[:len(queue):len(queue)], m)
	return queue[max(0, len(queue)-queueLimit):]
}

// pull takes message n modulo the queue's length out of it.
func pull(queue []message, n int) (m message, rest []message, ok bool) {
	if len(queue) == 0 {
		return message{}, queue, false
	}
	n %= len(queue)
	rest = append(queue[:n:n], queue[n+1:]...)
	return queue[n], rest, true
}
