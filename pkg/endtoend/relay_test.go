package endtoend

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay is the network between one edge and the broker: it can be cut.
type relay struct {
	listener net.Listener

	mu     sync.Mutex // guards what follows
	target string
	cut    bool
	conns  map[net.Conn]struct{}
}

func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	t.Cleanup(func() { listener.Close(); r.setCut(true) })
	go r.serve()
	return r
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) serve() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		go r.carry(conn)
	}
}

func (r *relay) carry(edge net.Conn) {
	defer edge.Close()
	r.mu.Lock()
	target := r.target
	r.mu.Unlock()
	broker, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer broker.Close()
	if !r.keep(edge, broker) {
		return
	}
	defer r.forget(edge, broker)
	go func() {
		_, _ = io.Copy(broker, edge) // its error is the connection's end
		broker.Close()
	}()
	_, _ = io.Copy(edge, broker)
}

// keep notes connections so that they can be cut, unless the link is down.
func (r *relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.conns[c] = struct{}{}
	}
	return !r.cut
}

func (r *relay) forget(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		delete(r.conns, c)
	}
}

// setCut takes the link down, or brings it up again.
func (r *relay) setCut(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	if cut {
		r.drop()
	}
}

// lead leads to somebody else from now on.
func (r *relay) lead(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
	r.drop()
}

// drop ends all connections. The caller holds mu.
func (r *relay) drop() {
	for c := range r.conns {
		c.Close()
	}
}
