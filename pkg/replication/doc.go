// Package replication is the executable form of docs/replication.md: how
// samples get from an edge to the cloud exactly once, whatever happens.
//
// It has three parts. [Op] and [Schedule] are the steps of a history, from
// "take a sample" over "drop this message" to "restore that snapshot", in a
// text form that prints as one line and parses back. [World] is anything that
// can live through a schedule and be observed: the [Model] here, and the real
// journal, uplink and ingest behind a harness. [Checker] and [Settled] hold
// the invariants, and [Explore] and [Exhaust] look for a schedule that breaks
// them and shrink what they find.
//
// The oracle is never the system's own export: an [Observation] says what the
// instrument served and what the edge counted, and the cloud is held to that.
// A deliberately broken rule, a [Flaw], proves that the explorers can fail.
//
// Of the page, the model holds the rules of journal, cursor, gap, fork, epoch,
// window, objects, key rotation and revocation. It does not hold what needs no
// interleaving to go wrong: byte formats, cryptography, and the placing of
// batches in time.
//
// Only tests import this package.
package replication
