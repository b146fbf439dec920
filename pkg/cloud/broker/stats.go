package broker

import "sync/atomic"

// Stats are counts since the broker was made, for metrics.
type Stats struct {
	Connections  int    // open now, handshakes included
	Sessions     int    // of devices, now
	Refused      uint64 // connections that got no session
	Disconnected uint64 // connections cut by [Broker.Disconnect]
	Forbidden    uint64 // publishes and subscriptions outside the device's topics
	Up           uint64 // messages that the handler took
	UpBytes      uint64 // their payloads
	Failed       uint64 // messages that the handler refused
	Down         uint64 // messages queued for devices
	DownLost     uint64 // messages dropped because a device did not read
}

type counters struct {
	refused, disconnected, forbidden, up, upBytes, failed, down, downLost atomic.Uint64
}

// Stats reads the counts.
func (b *Broker) Stats() Stats {
	return Stats{
		Connections:  len(b.slots),
		Sessions:     len(b.sessions.established()),
		Refused:      b.counts.refused.Load(),
		Disconnected: b.counts.disconnected.Load(),
		Forbidden:    b.counts.forbidden.Load(),
		Up:           b.counts.up.Load(),
		UpBytes:      b.counts.upBytes.Load(),
		Failed:       b.counts.failed.Load(),
		Down:         b.counts.down.Load(),
		DownLost:     b.counts.downLost.Load(),
	}
}
