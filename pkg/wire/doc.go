// Package wire is the contract between edge and cloud: topics, tickets, journal
// entries, and the messages that carry them. Messages are CBOR (RFC 8949, core
// deterministic encoding) behind one version byte; a reader refuses a newer
// version. Nothing here encrypts or does I/O.
//
// # Versions
//
//	1  the first: hello, entries, objects, gap up; welcome, cursor down
package wire
