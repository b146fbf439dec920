//go:build !crashpoints

package main

import "context"

// serveBroker runs the broker behind its door.
func (c *cloud) serveBroker(ctx context.Context) error { return c.broker.Serve(ctx, c.doors.broker) }
