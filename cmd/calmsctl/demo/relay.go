package demo

import (
	"io"
	"net"
	"sync"
)

// relay stands between one edge and the broker, so that its link can be cut
// without the rights that a firewall needs. It sees TLS only.
type relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex // guards what follows
	cut   bool
	conns map[net.Conn]struct{}
}

func newRelay(target string) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	go r.serve()
	return r, nil
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
	broker, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer broker.Close()
	if !r.keep(edge, broker) {
		return
	}
	defer r.forget(edge, broker)
	go func() {
		io.Copy(broker, edge) // its error is the connection's end
		broker.Close()
	}()
	io.Copy(edge, broker)
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
	if !cut {
		return
	}
	for c := range r.conns {
		c.Close()
	}
}

func (r *relay) close() {
	r.listener.Close()
	r.setCut(true)
}
