// Package backup writes encrypted snapshots of all services into a repository
// and restores them. The daemon that writes cannot read: everything is sealed to
// the repository's public key, whose private half only the people who may
// restore can open (see package escrow). docs/backup-format.md describes every
// byte of a repository.
//
// A snapshot goes from [Source] through the cutter (record-aligned segments) and
// the packer (names, seals and stores what the repository does not have yet) to
// a signed [Manifest]; it exists when its manifest does. [Restore] goes the same
// way back, in a process that has the repository's identity for as long.
package backup
