package calms

import (
	"fmt"
	"strings"
)

// Level says what a [Path] names, by its number of segments.
type Level int

// The levels of the tree, from the whole installation down to one measured
// series.
const (
	LevelRoot Level = iota
	LevelOrganisation
	LevelSite
	LevelDevice
	LevelChannel
)

func (l Level) String() string {
	names := [...]string{"root", "organisation", "site", "device", "channel"}
	if l < 0 || int(l) >= len(names) {
		return fmt.Sprintf("level %d", int(l))
	}
	return names[l]
}

// WithArticle is the level's name for a sentence: "an organisation".
func (l Level) WithArticle() string {
	switch l {
	case LevelRoot:
		return "the root"
	case LevelOrganisation:
		return "an " + l.String()
	}
	return "a " + l.String()
}

// MaxSegment is the longest allowed path segment, in bytes. It is the limit of
// a DNS label, so that a segment can stand in a host name.
const MaxSegment = 63

// Path names one thing in the tree organisation/site/device/channel, such as
// "acme/ljubljana/comp-3/flow". The empty path is the root. A Path made by
// [ParsePath] is valid; paths may change over time, see [DeviceID] for identity.
type Path string

// ParsePath checks s and returns it as a Path. A segment has 1 to [MaxSegment]
// lower-case letters, digits, '-', '_' or '.', and begins with a letter or a
// digit. The error names the segment that is wrong.
func ParsePath(s string) (Path, error) {
	if s == "" {
		return "", nil
	}
	segments := strings.Split(s, "/")
	if len(segments) > int(LevelChannel) {
		return "", Errorf(KindInvalid, "path %q has %d segments, at most %d are allowed (organisation/site/device/channel)", shortened(s), len(segments), int(LevelChannel))
	}
	for i, segment := range segments {
		if err := checkSegment(segment); err != nil {
			return "", Errorf(KindInvalid, "path %q: %s %s", shortened(s), Level(i+1), err.Error())
		}
	}
	return Path(s), nil
}

// ParsePathAt is [ParsePath] for a path that must name a thing of one level.
func ParsePathAt(s string, level Level) (Path, error) {
	p, err := ParsePath(s)
	if err != nil {
		return "", err
	}
	if p.Level() != level {
		return "", Errorf(KindInvalid, "path %q names %s, %s is needed (%s)", s, p.Level().WithArticle(), level.WithArticle(), level.example())
	}
	return p, nil
}

func (l Level) example() string {
	segments := []string{"acme", "ljubljana", "comp-3", "flow"}
	return "such as " + strings.Join(segments[:min(max(int(l), 0), len(segments))], "/")
}

// shortened keeps an error readable whose cause is a text of any length.
func shortened(s string) string {
	const most = int(LevelChannel) * (MaxSegment + 1) // every valid path, whole
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func checkSegment(s string) error {
	if s == "" {
		return fmt.Errorf("is empty")
	}
	if len(s) > MaxSegment {
		return fmt.Errorf("%q is longer than %d characters", shortened(s), MaxSegment)
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '-' || c == '_' || c == '.'):
		default:
			return fmt.Errorf("%q has %q at position %d: use a-z, 0-9, '-', '_' and '.', beginning with a letter or digit", s, c, i+1)
		}
	}
	return nil
}

// Level tells what the path names.
func (p Path) Level() Level {
	if p == "" {
		return LevelRoot
	}
	return Level(strings.Count(string(p), "/") + 1)
}

// Base is the last segment.
func (p Path) Base() string { return string(p[strings.LastIndexByte(string(p), '/')+1:]) }

// Parent is the path without its last segment; the parent of the root is the
// root.
func (p Path) Parent() Path {
	i := strings.LastIndexByte(string(p), '/')
	if i < 0 {
		return ""
	}
	return p[:i]
}

// At is the ancestor of p at a level, or p itself where p is not deeper.
func (p Path) At(level Level) Path {
	for p.Level() > level {
		p = p.Parent()
	}
	return p
}

// Child is the path of the thing called name below p; name is not checked.
func (p Path) Child(name string) Path {
	if p == "" {
		return Path(name)
	}
	return p + "/" + Path(name)
}

// Contains reports whether q is p or lies below it. The root contains all.
func (p Path) Contains(q Path) bool {
	return p == "" || p == q || strings.HasPrefix(string(q), string(p)+"/")
}
