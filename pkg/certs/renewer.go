package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// RenewFunc gets the successor of a certificate. What it returns is used by
// every handshake from then on, so it returns only what it has kept on disk and,
// where a wrong certificate would lock us out, has tried against the other side.
// It may be called again after an error, and with the same old certificate.
type RenewFunc func(ctx context.Context, old *tls.Certificate) (*tls.Certificate, error)

// Renewer holds the certificate that new handshakes use and replaces it in
// time; connections that stand are not touched. All methods are safe for
// concurrent use.
type Renewer struct {
	renew   RenewFunc
	now     func() time.Time
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]

	mu     sync.Mutex
	status RenewalStatus // guarded by mu
}

// RenewalStatus tells how renewal is going.
type RenewalStatus struct {
	NotAfter time.Time // end of the current certificate
	Next     time.Time // the next attempt
	Failures int       // attempts in a row that failed
	Err      error     // what the last attempt said, nil after a success
}

// NewRenewer begins with a certificate, which may have expired: then the first
// attempt is made at once. Now is the clock to trust; nil is the system's.
func NewRenewer(first *tls.Certificate, renew RenewFunc, now func() time.Time, log *slog.Logger) (*Renewer, error) {
	if now == nil {
		now = time.Now
	}
	r := &Renewer{renew: renew, now: now, log: log}
	if err := r.use(first); err != nil {
		return nil, err
	}
	return r, nil
}

// use makes c the current certificate and plans its renewal.
func (r *Renewer) use(c *tls.Certificate) error {
	if c == nil || len(c.Certificate) == 0 || c.PrivateKey == nil {
		return calms.Errorf(calms.KindInvalid, "use certificate: it has no chain or no key")
	}
	ready := *c // shared with handshakes from now on: never written to again
	if ready.Leaf == nil {
		leaf, err := x509.ParseCertificate(ready.Certificate[0])
		if err != nil {
			return calms.Wrap("use certificate", err)
		}
		ready.Leaf = leaf
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = RenewalStatus{NotAfter: ready.Leaf.NotAfter, Next: renewAt(ready.Leaf)}
	r.current.Store(&ready)
	return nil
}

// Certificate is the current one. Do not change it.
func (r *Renewer) Certificate() *tls.Certificate { return r.current.Load() }

// GetCertificate is for the tls.Config of a server.
func (r *Renewer) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return r.current.Load(), nil
}

// GetClientCertificate is for the tls.Config of a client.
func (r *Renewer) GetClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return r.current.Load(), nil
}

// Status tells how renewal is going.
func (r *Renewer) Status() RenewalStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// longestSleep bounds how long Run trusts a timer: the wall clock may be set
// while it sleeps, and timers do not notice.
const longestSleep = time.Minute

// Run renews until ctx ends, and returns its error.
func (r *Renewer) Run(ctx context.Context) error {
	for {
		if wait := r.Status().Next.Sub(r.now()); wait > 0 {
			if err := sleep(ctx, min(wait, longestSleep)); err != nil {
				return err
			}
			continue
		}
		r.attempt(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// attempt tries once to renew and plans what comes next.
func (r *Renewer) attempt(ctx context.Context) {
	old := r.Certificate()
	bounded, cancel := context.WithTimeout(ctx, patience(lifeOf(old.Leaf)))
	defer cancel()
	renewed, err := r.renew(bounded, old)
	if err == nil {
		err = r.use(renewed)
	}
	if ctx.Err() != nil {
		return
	}
	status := r.plan(err)
	if err != nil {
		r.log.Warn("certificate not renewed", "error", err, "failures", status.Failures, "expires", status.NotAfter, "next", status.Next)
		return
	}
	r.log.Info("certificate renewed", "expires", status.NotAfter, "next", status.Next)
}

func (r *Renewer) plan(err error) RenewalStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	life := lifeOf(r.current.Load().Leaf)
	if r.status.Err = err; err != nil {
		r.status.Failures++
		r.status.Next = r.now().Add(backoff(r.status.Failures, life))
	} else if soonest := r.now().Add(life / 10); r.status.Next.Before(soonest) {
		// A clock that is ahead of the issuer's must not make us renew in a circle.
		r.status.Next = soonest
	}
	return r.status
}

// lifeOf is what the issuer meant the certificate to live: from the moment of
// issue, not from the back-dated beginning.
func lifeOf(c *x509.Certificate) time.Duration {
	return max(c.NotAfter.Sub(IssuedAt(c)), time.Second)
}

// renewAt is two thirds of a certificate's life, give or take a twentieth of
// it, so that a fleet made at one moment does not renew at one moment.
func renewAt(c *x509.Certificate) time.Time {
	life := lifeOf(c)
	return c.NotAfter.Add(-life/3 - life/20 + rand.N(life/10))
}

const (
	slowestRetry = 5 * time.Minute
	fastestRetry = time.Second
)

// backoff is the pause after a number of failures in a row: anything up to a
// ceiling that doubles (full jitter). The ceilings follow the certificate's
// life, so that one of ten seconds gets its attempts too.
func backoff(failures int, life time.Duration) time.Duration {
	first, last := min(life/50, fastestRetry), min(life/10, slowestRetry)
	ceiling := min(first<<min(failures-1, 16), last)
	return 1 + rand.N(ceiling)
}

// patience is how long one attempt may take.
func patience(life time.Duration) time.Duration {
	return min(max(life/5, time.Second), time.Minute)
}
