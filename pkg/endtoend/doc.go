// Package endtoend holds tests of the three programs as they are installed:
// real processes on real sockets and disks, driven by the commands that people
// type, and an instrument that nobody here wrote (pymodbus). What the
// instrument logged is the oracle; nothing is believed because the programs say
// it of themselves.
//
// The programs are built once, with their crash points. CALMS_SOAK=1 makes the
// crash test ten times as long; CALMS_SEED repeats one that failed.
package endtoend
