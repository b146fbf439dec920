// Package daemon is what the daemons share: targets that start in order and
// stop together, signals, readiness to systemd, a private HTTP listener for
// health and metrics, and logs. See [Run].
package daemon
