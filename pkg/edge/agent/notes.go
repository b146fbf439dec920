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
	forgot     bool   // guarded by mu; there was a generation, and it cannot be read
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
// is gone or cannot be read stops nobody from measuring: the journal tells it
// ([Notes.Remember]), and where that is gone too the cloud does. Only notes of a
// newer version are an error.
func OpenNotes(dir string, log *slog.Logger) (*Notes, error) {
	n := &Notes{dir: dir, log: log}
	if err := n.read(toldName, &n.told); err != nil {
		n.told = Told{} // everything is told again: that costs two entries
	}
	g, err := n.readGeneration()
	if err != nil {
		log.Error("NOTE OF THE JOURNAL'S GENERATION CANNOT BE READ: it is taken from the journal", "error", err)
	}
	if g.Version > notesVersion {
		return nil, calms.Errorf(calms.KindInvalid, "open notes: %s has version %d, this program reads up to %d", generationName, g.Version, notesVersion).
			WithHint("run the calms-edge that wrote it, or a newer one")
	}
	n.generation = g.Generation
	n.forgot = err != nil || n.generation == 0 && n.told != Told{}
	return n, nil
}

// readGeneration reads the note, which is never 0 where it is there.
func (n *Notes) readGeneration() (generationFile, error) {
	g := generationFile{notesVersion, 0}
	path := filepath.Join(n.dir, generationName)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return g, nil
	}
	var found generationFile
	if err := n.read(generationName, &found); err != nil {
		return g, err
	}
	if found.Version == 0 || found.Version == notesVersion && found.Generation == 0 {
		return g, calms.Errorf(calms.KindInvalid, "%s: holds no generation", path)
	}
	return found, nil
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

// Forgot reports whether a generation was begun before that is not known now.
func (n *Notes) Forgot() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.forgot
}

// Remember notes the generation of a journal that is there, where the notes do
// not know of it: they were damaged, removed or of an older backup.
func (n *Notes) Remember(generation uint64) {
	if n.Generation() >= generation {
		return
	}
	n.log.Error("THE JOURNAL'S GENERATION WAS NOT IN THE NOTES: it is noted again", "generation", generation, "file", filepath.Join(n.dir, generationName))
	if err := n.Mark(generation); err != nil {
		n.log.Error("generation not noted", "error", err)
	}
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
	n.generation, n.forgot = generation, false
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
