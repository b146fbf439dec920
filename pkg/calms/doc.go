// Package calms holds the words that every part of the system shares:
// identifiers, paths, samples, permissions and errors. It imports the standard
// library only and stands below everything else.
package calms
