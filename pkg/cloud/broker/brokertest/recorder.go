package brokertest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// Message is what a handler was given.
type Message struct {
	Device  calms.DeviceID
	Shard   uint32
	Stream  string
	Payload string
}

// Recorder is a handler that keeps what it was given.
type Recorder struct {
	mu       sync.Mutex
	messages []Message                            // guarded by mu
	refuse   func(context.Context, Message) error // guarded by mu
}

// Refuse sets what is asked before a message is kept; it may also be slow.
func (r *Recorder) Refuse(refuse func(context.Context, Message) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = refuse
}

// Handle keeps a message; it is the broker's handler.
func (r *Recorder) Handle(ctx context.Context, device calms.DeviceID, shard uint32, stream string, payload []byte) error {
	m := Message{Device: device, Shard: shard, Stream: stream, Payload: string(payload)}
	r.mu.Lock()
	refuse := r.refuse
	r.mu.Unlock()
	if refuse != nil {
		if err := refuse(ctx, m); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
	return nil
}

// Messages are those of one device, in order.
func (r *Recorder) Messages(device calms.DeviceID) []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.messages), func(m Message) bool { return m.Device != device })
}

// Await waits until a message has come at least once.
func (r *Recorder) Await(t testing.TB, want Message) {
	t.Helper()
	Await(t, "the message has come", func() bool { return slices.Contains(r.Messages(want.Device), want) })
}

// Await waits until a condition holds.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
