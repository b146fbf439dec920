//go:build crashpoints

package main

import (
	"context"
	"net"
	"os"
	"os/signal"
	"syscall"
)

// serveBroker runs the broker behind its door, which crash tests slam: SIGUSR1
// ends the listener and every connection at once, and opens it anew.
func (c *cloud) serveBroker(ctx context.Context) error {
	slam := make(chan os.Signal, 1)
	signal.Notify(slam, syscall.SIGUSR1)
	defer signal.Stop(slam)
	address := c.doors.broker.Addr().String()
	for listener := c.doors.broker; ; {
		err := c.serveUntil(ctx, slam, listener)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if listener, err = net.Listen("tcp", address); err != nil {
			return err
		}
		c.log.Warn("broker's listener was killed and opened again", "address", address)
	}
}

// serveUntil serves one listener until ctx ends or the door is slammed.
func (c *cloud) serveUntil(ctx context.Context, slam <-chan os.Signal, listener net.Listener) error {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-slam:
			stop()
		case <-serving.Done():
		}
	}()
	return c.broker.Serve(serving, listener)
}
