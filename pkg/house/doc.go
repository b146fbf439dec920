// Package house guards the repository: who may import whom, what the programs
// link, that everything is documented, and that formats of the house stay as
// they are meant. It has tests only; its benchmarks print ratios.
//
// A rule that fails here is not bent silently. The message says what to do, and
// the table of floors stands in floors_test.go.
package house
