// Package simulate serves an instrument of any Modbus profile as a Modbus TCP
// device, and logs every value before it is sent. The log is the oracle that
// demos and tests compare the cloud with.
//
// Each line of the log is one point in one read request that covered it whole:
//
//	{"time":"2026-01-02T03:04:05.678901234Z","point":"flow","address":6,"raw":[41943,17530],"value":1000.0024}
//
// raw is the registers as on the wire, value what a reader must make of them:
// a float32 is widened to a float64 without rounding, and the decimal is the
// shortest that reads back as the same float64, so comparing bit for bit is
// right. The lines of one request are appended by one write before the answer
// goes out, so that they survive the death of this process (they are not synced
// against a loss of power). A logged value may not have reached its reader; a
// value that is not in the log was never sent.
//
// No point repeats a value within a run until its type's numbers in the typical
// range are used up: for a float32 that is millions of reads, a uint32 counter
// ends at its maximum; an int16 repeats soon.
package simulate
