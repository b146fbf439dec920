// Package broker is the MQTT broker of an installation that needs no other: it
// lets a device in by its certificate, hands on what the device publishes, and
// carries messages back. The contract is plain MQTT 3.1.1 with QoS 0 and 1, no
// retained messages, no wills and no sessions that outlive a connection, so that
// another broker can take its place (see package brokertest).
//
// The protocol itself is mochi's. Four of its habits are dangerous here and are
// cured in this package: it has no deadline before CONNECT and no limit of
// packet size (listener, [Limits]); a subscriber that does not read can block
// whoever publishes to it (write deadline, QoS 0 downwards); its polite
// disconnect waits for a stuck client (conn.cut); and it acknowledges a message
// that its hook has refused (hook.OnPublish).
package broker
