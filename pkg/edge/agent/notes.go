package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
	"go.calms.com/calms/pkg/wire"
)

// Told is what the journal was told last, beside batches. The next process tells
// only what is new: the journal itself cannot be asked, as it is sealed.
type Told struct {
	Journal string      `json:"journal"` // its name
	Version string      `json:"version"` // of the program
	Digest  wire.Hash   `json:"digest"`  // of the configuration
	Anchor  wire.Anchor `json:"anchor"`
}

// Notes is what outlives the journal: the highest generation that was ever
// begun, and what the journal was told. All methods are safe for concurrent use.
type Notes struct {
	dir string
	log *slog.Logger

	mu         sync.Mutex
	generation uint64 // guarded by mu
	told       Told   // guarded by mu
}

const (
	generationName = "generation.json"
	toldName       = "told.json"
	notesVersion   = 1
)

type generationFile struct {
	Version    int    `json:"version"`
	Generation uint64 `json:"generation"`
}

// OpenNotes reads the notes in dir; none are good notes too. A generation that
// cannot be read is an error: a number that was used must not be used again.
func OpenNotes(dir string, log *slog.Logger) (*Notes, error) {
	n := &Notes{dir: dir, log: log}
	var g generationFile
	if err := n.read(generationName, &g); err != nil {
		return nil, calms.Wrap("open notes", err)
	}
	if g.Version > notesVersion {
		return nil, calms.Errorf(calms.KindInvalid, "open notes: %s has version %d, this program reads up to %d", generationName, g.Version, notesVersion).
			WithHint("run the calms-edge that wrote it, or a newer one")
	}
	n.generation = g.Generation
	if err := n.read(toldName, &n.told); err != nil {
		n.told = Told{} // everything is told again: that costs two entries
	}
	return n, nil
}

func (n *Notes) read(name string, into any) error {
	text, err := os.ReadFile(filepath.Join(n.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return calms.Errorf(calms.KindInvalid, "%s: %w", filepath.Join(n.dir, name), err)
	}
	return nil
}

func (n *Notes) write(name string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(n.dir, name), text, 0o600)
}

// Generation is the highest that was ever begun, 0 before the first.
func (n *Notes) Generation() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.generation
}

// Mark notes a generation durably before its first entry is written.
func (n *Notes) Mark(generation uint64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if generation <= n.generation {
		return nil
	}
	if err := n.write(generationName, generationFile{notesVersion, generation}); err != nil {
		return calms.Wrap("note generation", err)
	}
	n.generation = generation
	return nil
}

// Told is what the journal was told last.
func (n *Notes) Told() Told {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.told
}

// Tell notes what the journal was told. Where that cannot be written a later
// process tells it once more.
func (n *Notes) Tell(t Told) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = t
	if err := n.write(toldName, t); err != nil {
		n.log.Warn("notes not kept", "error", err)
	}
}
