package certs

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.calms.com/calms/pkg/calms"
)

var quiet = slog.New(slog.DiscardHandler)

// server issues service certificates as pki does.
func (f family) server(t testing.TB, now time.Time, life time.Duration) *tls.Certificate {
	t.Helper()
	key := newKey(t, P256)
	c, err := Authority{f.root, f.rootKey}.IssueService(key.Public(), "broker", []string{"localhost", "127.0.0.1"}, now, life)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: DER(c, f.root), PrivateKey: key, Leaf: c}
}

func TestRenewerRenewsAtTwoThirds(t *testing.T) {
	for _, life := range []time.Duration{3 * time.Second, time.Minute, 24 * time.Hour} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFamily(t, P256, time.Now())
				start := time.Now()
				var at []time.Duration
				r, err := NewRenewer(f.server(t, start, life), func(context.Context, *tls.Certificate) (*tls.Certificate, error) {
					at = append(at, time.Since(start))
					start = time.Now()
					return f.server(t, start, life), nil
				}, nil, quiet)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*life)
				defer cancel()
				if err := r.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
				// X.509 counts whole seconds, which shows in short lives.
				low, high := life*61/100-time.Second/2, life*72/100+3*time.Second/4
				for _, d := range at {
					if d < low || d > high || d > life {
						t.Errorf("renewed after %s", d)
					}
				}
				if n := time.Duration(len(at)); n < 9*life/high || n > 1+10*life/low {
					t.Errorf("%d renewals in ten lives", n)
				}
			})
		})
	}
}

func TestRenewerRetriesUntilItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const life = 24 * time.Hour
		f := newFamily(t, P256, time.Now())
		// Off for a month: renewal starts at once, and past expiry.
		first := f.server(t, time.Now().Add(-30*24*time.Hour), life)
		attempts, begun := 0, time.Now()
		r, err := NewRenewer(first, func(context.Context, *tls.Certificate) (*tls.Certificate, error) {
			if attempts++; time.Since(begun) < 12*time.Hour {
				return nil, errors.New("the link is down")
			}
			return f.server(t, time.Now(), life), nil
		}, nil, quiet)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Hour-time.Second)
		defer cancel()
		r.Run(ctx)
		if s := r.Status(); attempts < 200 || attempts > 500 || s.Failures != attempts || s.Err == nil {
			t.Errorf("%d attempts in 12 hours, status %+v", attempts, s)
		}
		ctx, cancel = context.WithTimeout(t.Context(), slowestRetry+2*time.Second)
		defer cancel()
		r.Run(ctx)
		if s := r.Status(); s.Failures != 0 || s.Err != nil || !s.NotAfter.After(time.Now()) {
			t.Errorf("the link is back for five minutes and the status is %+v", s)
		}
	})
}

func TestRenewerDoesNotCircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFamily(t, P256, time.Now().Add(-time.Hour))
		attempts := 0
		issue := func(context.Context, *tls.Certificate) (*tls.Certificate, error) {
			attempts++
			return f.server(t, time.Now().Add(-time.Hour), time.Minute), nil // our clock is an hour ahead
		}
		first, _ := issue(t.Context(), nil)
		r, err := NewRenewer(first, issue, nil, quiet)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.Run(ctx)
		if attempts > 15 {
			t.Errorf("%d renewals in a minute", attempts)
		}
	})
}

func TestRenewerNoticesThatTheClockWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFamily(t, P256, time.Now())
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		renewed := make(chan struct{}, 1)
		r, err := NewRenewer(f.server(t, now(), 24*time.Hour), func(context.Context, *tls.Certificate) (*tls.Certificate, error) {
			renewed <- struct{}{}
			return f.server(t, now(), 24*time.Hour), nil
		}, now, quiet)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.Run(ctx)
		synctest.Wait()
		ahead.Store(int64(20 * time.Hour))
		select {
		case <-renewed:
		case <-time.After(2 * longestSleep):
			t.Error("not renewed")
		}
		cancel()
		synctest.Wait()
	})
}

func TestNewHandshakesUseTheNewCertificateAndOldConnectionsStand(t *testing.T) {
	f := newFamily(t, P256, time.Now())
	r, err := NewRenewer(f.server(t, time.Now(), time.Hour), nil, nil, quiet)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: r.GetCertificate, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go echo(listener)
	dial := func() *tls.Conn {
		t.Helper()
		conn, err := tls.Dial("tcp", listener.Addr().String(), Pinned(FingerprintOf(f.root), "127.0.0.1", time.Now))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	old := dial()
	next := f.server(t, time.Now(), time.Hour)
	if err := r.use(next); err != nil {
		t.Fatal(err)
	}
	if got := dial().ConnectionState().PeerCertificates[0]; !got.Equal(next.Leaf) {
		t.Error("a new handshake got the old certificate")
	}
	fmt.Fprintln(old, "still here")
	if line, err := bufio.NewReader(old).ReadString('\n'); err != nil || line != "still here\n" {
		t.Errorf("the old connection says %q, %v", line, err)
	}
	for name, config := range map[string]*tls.Config{
		"other root": Pinned(FingerprintOf(newFamily(t, P256, time.Now()).root), "127.0.0.1", time.Now),
		"other host": Pinned(FingerprintOf(f.root), "example.org", time.Now),
		"expired":    Pinned(FingerprintOf(f.root), "127.0.0.1", func() time.Time { return time.Now().Add(2 * time.Hour) }),
	} {
		if conn, err := tls.Dial("tcp", listener.Addr().String(), config); err == nil {
			conn.Close()
			t.Errorf("%s is accepted", name)
		} else if calms.KindOf(err) != calms.KindUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func echo(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			scanner := bufio.NewScanner(conn)
			for scanner.Scan() {
				fmt.Fprintln(conn, scanner.Text())
			}
		}()
	}
}

func TestPinnedNeedsMoreThanTheRootInTheChain(t *testing.T) {
	f, thief := newFamily(t, P256, time.Now()), newFamily(t, P256, time.Now())
	stolen := thief.server(t, time.Now(), time.Hour)
	chain := []*x509.Certificate{stolen.Leaf, f.root}
	if err := verifyPinned(chain, FingerprintOf(f.root), "127.0.0.1", time.Now()); err == nil {
		t.Error("a foreign leaf beside the true root is accepted")
	}
}
