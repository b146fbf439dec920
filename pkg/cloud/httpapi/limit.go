package httpapi

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// limiter bounds how often one address may ask for something that costs us a
// signature without a credential. Each address has a bucket of tokens: a request
// takes one, time puts them back.
type limiter struct {
	rate  float64 // tokens per second that come back
	burst float64 // tokens in a full bucket

	mu      sync.Mutex
	buckets map[string]tokenBucket // by address; guarded by mu
}

// tokenBucket is what an address had left when it asked last.
type tokenBucket struct {
	tokens float64
	asked  time.Time
}

// maxBuckets bounds the memory that many addresses can claim. Above it full
// buckets go, which say no more than none; where there is none, all go, and every
// address starts anew.
const maxBuckets = 10_000

func newLimiter(rate, burst float64) *limiter {
	return &limiter{rate: rate, burst: burst, buckets: map[string]tokenBucket{}}
}

// allow takes a token out of the address's bucket, if there is one.
func (l *limiter) allow(address string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[address]
	if !known {
		l.makeRoom(now)
		b = tokenBucket{tokens: l.burst, asked: now}
	}
	b = tokenBucket{tokens: l.refilled(b, now), asked: now}
	allowed := b.tokens >= 1
	if allowed {
		b.tokens--
	}
	l.buckets[address] = b
	return allowed
}

// refilled is how many tokens a bucket holds now.
func (l *limiter) refilled(b tokenBucket, now time.Time) float64 {
	return min(l.burst, b.tokens+l.rate*max(0, now.Sub(b.asked).Seconds()))
}

// makeRoom is called with mu held.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.buckets) < maxBuckets {
		return
	}
	for address, b := range l.buckets {
		if l.refilled(b, now) >= l.burst {
			delete(l.buckets, address)
		}
	}
	if len(l.buckets) >= maxBuckets {
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
