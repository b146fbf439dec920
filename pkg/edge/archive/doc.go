// Package archive is the file that carries journals where no network does: the
// same sealed entries and objects as in the journal, to be brought to the cloud
// by the same rules. Whoever finds the file can read nothing of it.
//
// # Format, version 1
//
// The bytes "calms-journal" and a version byte, then records: the length in
// bytes (uvarint) and the CBOR of a [record], version byte included. A journal
// comes as its description, the ranges that it no longer holds, and its entries
// in order, each after the objects that it names and that were not written
// before. A range is also written where the journal holds entries that nobody could
// open, as an object that they need is lost. The last record holds the SHA-256 of all bytes before its length.
package archive
