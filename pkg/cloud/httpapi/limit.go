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

	mu    sync.Mutex
	spent map[string]tokens // guarded by mu
}

type tokens struct {
	tokens float64
	at     time.Time
}

// maxAddresses bounds the memory that many addresses can claim. Above it full
// spent go, and where none is full everybody starts anew.
const maxAddresses = 10_000

func newLimiter(rate, burst float64) *limiter {
	return &limiter{rate: rate, burst: burst, spent: map[string]tokens{}}
}

// allow takes a token of the address's tokens, if there is one.
func (l *limiter) allow(address string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.spent[address]
	if !known {
		l.makeRoom(now)
		b = tokens{tokens: l.burst, at: now}
	}
	b = tokens{tokens: l.filled(b, now), at: now}
	allowed := b.tokens >= 1
	if allowed {
		b.tokens--
	}
	l.spent[address] = b
	return allowed
}

func (l *limiter) filled(b tokens, now time.Time) float64 {
	return min(l.burst, b.tokens+l.rate*max(0, now.Sub(b.at).Seconds()))
}

// makeRoom is called with mu held.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.spent) < maxAddresses {
		return
	}
	for address, b := range l.spent {
		if l.filled(b, now) >= l.burst {
			delete(l.spent, address)
		}
	}
	if len(l.spent) >= maxAddresses {
		clear(l.spent)
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
