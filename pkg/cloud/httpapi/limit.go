package httpapi

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// limiter bounds how often one address may ask for something that costs us a
// signature without a credential: a bucket of tokens per address.
type limiter struct {
	rate  float64 // tokens per second
	burst float64

	mu      sync.Mutex
	buckets map[string]bucket // guarded by mu
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxAddresses bounds the memory that many addresses can claim. Above it full
// buckets go, and where none is full everybody starts anew.
const maxAddresses = 10_000

func newLimiter(rate, burst float64) *limiter {
	return &limiter{rate: rate, burst: burst, buckets: map[string]bucket{}}
}

// allow takes a token of the address's bucket, if there is one.
func (l *limiter) allow(address string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[address]
	if !known {
		l.makeRoom(now)
		b = bucket{tokens: l.burst, at: now}
	}
	b = bucket{tokens: l.filled(b, now), at: now}
	allowed := b.tokens >= 1
	if allowed {
		b.tokens--
	}
	l.buckets[address] = b
	return allowed
}

func (l *limiter) filled(b bucket, now time.Time) float64 {
	return min(l.burst, b.tokens+l.rate*max(0, now.Sub(b.at).Seconds()))
}

// makeRoom is called with mu held.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.buckets) < maxAddresses {
		return
	}
	for address, b := range l.buckets {
		if l.filled(b, now) >= l.burst {
			delete(l.buckets, address)
		}
	}
	if len(l.buckets) >= maxAddresses {
		clear(l.buckets)
	}
}

// remoteHost is the address that a request came from, without its port. Headers
// of proxies are not believed.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
