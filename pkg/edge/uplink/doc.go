// Package uplink brings the journal to the cloud. A [Conversation] is the
// protocol alone: it decides what to send next from what the journal holds and
// what the cloud said, does no I/O of its own and can be driven step by step.
// An [Uplink] runs it over a [Link], which is MQTT.
//
// Nothing that the link says counts as an acknowledgement: only the cloud's
// cursor message does.
package uplink
