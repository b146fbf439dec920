//go:build crashpoints

package crash_test

import (
	"slices"
	"testing"

	"go.calms.com/calms/pkg/crash"
)

const compiledIn = true

// A hook takes the place of the kill, and is told of every point.
func TestHook(t *testing.T) {
	t.Setenv("CALMS_CRASH_AT", "a")
	var points []string
	crash.Hook = func(point string) { points = append(points, point) }
	defer func() { crash.Hook = nil }()
	crash.At("a")
	crash.At("b")
	if !slices.Equal(points, []string{"a", "b"}) {
		t.Errorf("the hook was told of %v", points)
	}
}
