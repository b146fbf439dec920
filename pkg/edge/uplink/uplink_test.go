package uplink_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/wire"
)

// link is a connection to a cloud that the test plays.
type link struct {
	publish func(m uplink.Message) error
	down    chan uplink.Message
	done    chan struct{}
	closed  bool
}

func (l *link) Publish(_ context.Context, m uplink.Message) error { return l.publish(m) }
func (l *link) Messages() <-chan uplink.Message                   { return l.down }
func (l *link) Done() <-chan struct{}                             { return l.done }
func (l *link) Close()                                            { l.closed = true }

// run is an uplink that runs in the time of a bubble.
type run struct {
	*edge
	*uplink.Uplink
	cancel context.CancelFunc
	ended  chan error

	mu     sync.Mutex // guards what follows
	dialed []time.Time
	links  []*link
	up     []uplink.Message // everything published
	broken error            // what Publish and Dial give, where not nil
	mute   bool             // the cloud answers nothing
}

// fail sets what Publish and Dial give from now on.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
}

func (r *run) setMute(mute bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mute = mute
}

// running calls f with an uplink that runs, and ends it.
func running(t *testing.T, change func(*run), f func(t *testing.T, r *run)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &run{edge: newEdge(t, uplink.Options{}), ended: make(chan error, 1)}
		change(r)
		r.Uplink = uplink.New(uplink.Config{
			Journal: r.Journal, Sessions: r.edge, Dial: r.dial, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		ctx, cancel := context.WithCancel(t.Context())
		r.cancel = cancel
		go func() { r.ended <- r.Run(ctx) }()
		synctest.Wait()
		f(t, r)
		cancel()
		if err := <-r.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		for _, l := range r.connections() {
			if !l.closed {
				t.Error("a connection was left open")
			}
		}
	})
}

func (r *run) dial(context.Context) (uplink.Link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialed = append(r.dialed, time.Now())
	if r.broken != nil {
		return nil, r.broken
	}
	l := &link{down: make(chan uplink.Message, 100), done: make(chan struct{})}
	l.publish = func(m uplink.Message) error { return r.answer(l, m) }
	r.links = append(r.links, l)
	return l, nil
}

// answer is the cloud.
func (r *run) answer(l *link, m uplink.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return r.broken
	}
	r.up = append(r.up, m)
	switch {
	case r.mute:
	case m.Stream == wire.StreamHello:
		r.hear(m)
		l.down <- uplink.Message{Stream: wire.StreamHello, Payload: r.welcoming(wire.WelcomeBody{})}
	case m.Stream == wire.StreamEntries:
		var s sent
		s.add(r.t, m)
		l.down <- uplink.Message{Stream: wire.StreamCursor, Payload: r.cursor(s.numbers[len(s.numbers)-1])}
	}
	return nil
}

// connections are all links that were made.
func (r *run) connections() []*link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.links)
}

func (r *run) last() *link {
	links := r.connections()
	return links[len(links)-1]
}

// attempts are the times at which a connection was tried.
func (r *run) attempts() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.dialed)
}

// streams are those of everything published, and bytes is its size.
func (r *run) streams() (streams []string, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.up {
		streams, bytes = append(streams, m.Stream), bytes+len(m.Payload)
	}
	return streams, bytes
}

func nothing(*run) {}

func TestRunBringsTheJournalUp(t *testing.T) {
	running(t, func(r *run) { r.append(3, 10) }, func(t *testing.T, r *run) {
		s := r.Status()
		sent, size := r.streams()
		if !s.Connected || !s.Talking || !s.Since.Equal(time.Now()) || s.LastError != "" ||
			s.Sent != uint64(len(sent)) || s.SentBytes != uint64(size) || s.Received != 2 || s.Refused != 0 {
			t.Errorf("status is %+v after %v", s, sent)
		}
		stat, err := r.Stat(t.Context())
		if check(t, err); stat.Journals[0].Cursor != 3 {
			t.Errorf("acknowledged is %d", stat.Journals[0].Cursor)
		}
		r.last().down <- uplink.Message{Stream: wire.StreamCursor, Payload: []byte("forged")}
		if synctest.Wait(); r.Status().Refused != 1 || !r.Status().Talking || len(r.connections()) != 1 {
			t.Errorf("after a forged message status is %+v", r.Status())
		}
		r.cancel()
		if synctest.Wait(); r.Status().Connected || r.Status().Talking {
			t.Errorf("at the end status is %+v", r.Status())
		}
	})
}

func TestWakeSendsAtOnce(t *testing.T) {
	running(t, nothing, func(t *testing.T, r *run) {
		time.Sleep(10*time.Second + 7*time.Millisecond)
		synctest.Wait()
		before, _ := r.streams()
		begin := time.Now()
		r.append(1, 10)
		for range 3 {
			r.Wake() // never waits
		}
		synctest.Wait()
		if got, _ := r.streams(); !slices.Equal(got[len(before):], []string{wire.StreamEntries}) || !time.Now().Equal(begin) {
			t.Errorf("%v was sent within %v", got, time.Since(begin))
		}
	})
}

// Attempts to connect are apart by anything up to a bound, which doubles from a
// second to a minute.
func TestReconnectWithFullJitter(t *testing.T) {
	running(t, func(r *run) { r.fail(errors.New("no route")) }, func(t *testing.T, r *run) {
		if s := r.Status(); s.Connected || !strings.Contains(s.LastError, "no route") {
			t.Errorf("status is %+v", s)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		bound, short, dialed := time.Second, 0, r.attempts()
		for i := 1; i < len(dialed); i++ {
			wait := dialed[i].Sub(dialed[i-1])
			if wait > bound {
				t.Errorf("attempt %d came after %v, the bound is %v", i, wait, bound)
			}
			if wait < bound/2 {
				short++
			}
			bound = min(2*bound, time.Minute)
		}
		if n := len(dialed); n < 120 || short < n/5 || short > n*4/5 {
			t.Errorf("of %d attempts in two hours %d came in the first half of their time", n, short)
		}
		r.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := r.Status(); !s.Talking || s.LastError != "" {
			t.Errorf("with a route status is %+v", s)
		}
		close(r.last().done)
		time.Sleep(time.Second)
		if synctest.Wait(); len(r.connections()) != 2 || !r.Status().Talking {
			t.Errorf("after a good connection the wait is not short: %+v", r.Status())
		}
	})
}

func TestWhatBreaksALink(t *testing.T) {
	for name, breakIt := range map[string]func(r *run){
		"it is gone":    func(r *run) { close(r.last().done) },
		"Publish fails": func(r *run) { r.fail(errors.New("broken pipe")); r.append(1, 10); r.Wake() },
	} {
		t.Run(name, func(t *testing.T) {
			running(t, nothing, func(t *testing.T, r *run) {
				time.Sleep(time.Minute)
				breakIt(r)
				synctest.Wait()
				if s := r.Status(); s.Connected || s.Talking || s.LastError == "" || !s.Since.Equal(time.Now()) || !r.last().closed {
					t.Errorf("status is %+v", s)
				}
				r.fail(nil)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if s := r.Status(); !s.Talking || len(r.connections()) != 2 || s.LastError != "" {
					t.Errorf("then status is %+v after %d connections", s, len(r.connections()))
				}
				r.append(1, 10)
				r.Wake()
				synctest.Wait()
				held, err := r.Held(t.Context())
				check(t, err)
				stat, err := r.Stat(t.Context())
				if check(t, err); stat.Journals[0].Cursor != held[0].Last {
					t.Errorf("acknowledged is %d of %d", stat.Journals[0].Cursor, held[0].Last)
				}
			})
		})
	}
}

// A cloud that does not answer is asked again on the same connection.
func TestRunSaysHelloIntoSilence(t *testing.T) {
	running(t, func(r *run) { r.setMute(true); r.append(1, 10) }, func(t *testing.T, r *run) {
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got, _ := r.streams(); len(got) != 2 || got[1] != wire.StreamHello || len(r.connections()) != 1 {
			t.Errorf("on %d connections %v was sent", len(r.connections()), got)
		}
		if s := r.Status(); !s.Connected || s.Talking {
			t.Errorf("status is %+v", s)
		}
		r.setMute(false)
		time.Sleep(11 * time.Second)
		if synctest.Wait(); !r.Status().Talking {
			t.Errorf("after an answer status is %+v", r.Status())
		}
	})
}
