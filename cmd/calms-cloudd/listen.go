package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// doors are the public listeners. They are opened before the services, because
// tickets and operator files name their ports, and accept nobody until the
// targets behind them run.
type doors struct {
	api    net.Listener
	broker net.Listener
}

func openDoors(c config) (*doors, error) {
	api, err := listen("listen.api", c.Listen.API)
	if err != nil {
		return nil, err
	}
	broker, err := listen("listen.broker", c.Listen.Broker)
	if err != nil {
		return nil, errors.Join(err, api.Close())
	}
	return &doors{api, broker}, nil
}

// listen opens a listener on the address that a setting names.
func listen(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, calms.Errorf(calms.KindConflict, "open %s: %w", key, err).WithHint("is another one running? the address is set by %s", key)
	}
	return l, nil
}

// close closes what no target has closed.
func (d *doors) close() {
	_ = d.api.Close()    // closed already after an orderly stop
	_ = d.broker.Close() // as above
}

// apiURL is the base URL under which the API is reached.
func (d *doors) apiURL(c config) string { return "https://" + public(c, d.api) }

// brokerAddress is host:port under which the broker is reached.
func (d *doors) brokerAddress(c config) string { return public(c, d.broker) }

// public is host:port under which others reach a listener.
func public(c config, l net.Listener) string {
	return net.JoinHostPort(c.Public.Hosts[0], strconv.Itoa(port(l)))
}

const (
	stopGrace     = 10 * time.Second
	maxHeaderSize = 32 << 10
)

// newServer is an HTTPS server whose certificate may change while it runs. It
// asks for client certificates and verifies none, see httpapi.New.
func newServer(handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler,
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS13,
			GetCertificate: certificate,
			ClientAuth:     tls.RequestClientCert,
		},
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute, // streams move it on as they go
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderSize,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken handshakes, mostly
	}
}

// serveHTTPS answers until ctx ends, then lets running requests come to their
// end for some time.
func serveHTTPS(ctx context.Context, server *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return server.Close()
	}
	return nil
}
