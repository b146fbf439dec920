package profile

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor/modbus"
)

// Profile describes one kind of instrument.
type Profile struct {
	Name        string
	Description string
	Sources     []string
	Protocol    string     // [ProtocolModbus]
	Modbus      modbus.Map // of ProtocolModbus
	Habits      []Habit    // one per register: how a simulation moves
}

// ProtocolModbus is the protocol of profiles with a register map.
const ProtocolModbus = "modbus"

// Habit is where a point's values move in practice.
type Habit struct {
	Low, High float64
	Counter   bool // counts up from Low
}

//go:embed profiles/*.yaml
var builtin embed.FS

// maxSize bounds a profile file, in bytes.
const maxSize = 1 << 20

// Load returns a built-in profile by its name, or the one in a file: whatever
// contains a path separator or ends in .yaml or .yml is a file. An unknown name
// is [calms.KindNotFound] and lists the known ones; a mistake in a file is
// [calms.KindInvalid] and names file, line and field.
func Load(nameOrPath string) (Profile, error) {
	if isPath(nameOrPath) {
		return loadFile(nameOrPath)
	}
	file := path.Join("profiles", nameOrPath+".yaml")
	data, err := builtin.ReadFile(file)
	if err != nil {
		return Profile{}, calms.Errorf(calms.KindNotFound, "no profile %q (known: %s)", nameOrPath, strings.Join(List(), ", ")).
			WithHint("use one of the known profiles, or the path of a .yaml file")
	}
	return Parse(file, data)
}

func isPath(s string) bool {
	return strings.ContainsAny(s, `/\`) || strings.HasSuffix(s, ".yaml") || strings.HasSuffix(s, ".yml")
}

func loadFile(file string) (Profile, error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxSize {
		return Profile{}, calms.Errorf(calms.KindInvalid, "%s: %d bytes are more than a profile may have (%d)", file, info.Size(), maxSize)
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Profile{}, calms.Errorf(calms.KindNotFound, "load profile: %w", err)
	}
	if err != nil {
		return Profile{}, calms.Errorf(calms.KindInternal, "load profile: %w", err)
	}
	return Parse(file, data)
}

// List names the built-in profiles, sorted.
func List() []string {
	var names []string
	entries, _ := builtin.ReadDir("profiles") // embedded: cannot fail
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}
