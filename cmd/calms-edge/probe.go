package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// longestVerdict is how long a server may take to refuse a client certificate.
const longestVerdict = 2 * time.Second

// tryTLS makes a TLS connection and learns whether the server accepts the
// client's certificate. In TLS 1.3 the client's handshake ends before the server
// has judged it: a refusal comes as an alert on the first read. A server that
// accepts waits for us to speak; its silence, for some round trips, is a yes.
func tryTLS(ctx context.Context, address string, config *tls.Config) error {
	began := time.Now()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return calms.Errorf(calms.KindUnreachable, "connect to %s: %w", address, err)
	}
	defer conn.Close()
	verdict := time.Now().Add(min(200*time.Millisecond+2*time.Since(began), longestVerdict))
	if err := conn.SetReadDeadline(verdict); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	var network net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return nil
	}
	if err == nil {
		err = errors.New("it spoke first")
	}
	return calms.Errorf(calms.KindForbidden, "%s refused the certificate: %w", address, err)
}
