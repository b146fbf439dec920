// Package program is what the programs share on the command line: how an error
// becomes a message, a hint and an exit code, what a wrong command line gets,
// where data and configuration lie, and the commands that all of them have.
package program
