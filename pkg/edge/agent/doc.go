// Package agent turns groups of samples into journal entries: it encodes,
// chooses the session that seals, and sees to it that the journal also says what
// the samples need to be understood (the anchor of the clock, the channels, what
// was in force).
//
// It knows sampler, journal and clock by the few methods that it declares here;
// cmd/calms-edge wires them.
package agent
