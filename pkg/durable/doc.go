// Package durable writes files so that a crash, a kill or a power cut leaves
// either the old content or the new one, whole, and locks a directory against a
// second process. It knows nothing of what is written.
package durable
