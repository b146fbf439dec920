// Package demo tells the whole story on one machine: it starts a cloud and
// three edges with simulated instruments by the commands an engineer types,
// cuts a link, destroys the cloud, restores it, and holds what the cloud has
// against what the instruments themselves logged.
package demo
