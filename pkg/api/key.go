package api

import "time"

// The states of a key.
const (
	KeyInUse   = "in-use"  // edges seal to it
	KeyWaiting = "waiting" // not used before a backup repository holds it
	KeyRetired = "retired" // kept for journals that were sealed to it
)

// Key is one of the keys that edges seal to. Routes: GET, POST /v1/keys; a POST
// makes a new one, which is used as soon as a complete snapshot holds it.
type Key struct {
	ID      string     `json:"id"`
	State   string     `json:"state" enum:"in-use,waiting,retired"`
	Created time.Time  `json:"created"`
	Active  *time.Time `json:"active,omitempty" doc:"since when it was used"`
}
