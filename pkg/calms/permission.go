package calms

// Action is what somebody may do, such as "channel:read".
type Action string

// Permission allows one action on everything at or below a path. Nothing else
// decides what a user sees, changes or connects to.
type Permission struct {
	Action Action
	Prefix Path
}

// Allows reports whether the permission covers an action on a path.
func (p Permission) Allows(action Action, path Path) bool {
	return p.Action == action && p.Prefix.Contains(path)
}
