package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// Manifest describes one snapshot; the snapshot exists when it does. It is kept
// in the clear and signed, so that a repository can be checked without a key.
type Manifest struct {
	Version    int       `json:"version"`
	Repository string    `json:"repository"` // id
	Number     int64     `json:"number"`     // 1, 2, 3 … without gaps
	Snapshot   string    `json:"snapshot"`   // id: its time and a random name
	Created    time.Time `json:"created"`    // everything before this moment is in it
	Previous   string    `json:"previous"`   // hex SHA-256 of manifest Number-1; empty for the first
	Services   []Part    `json:"services"`   // in the order of their export
}

// Part is one service's share of a snapshot.
type Part struct {
	Name   string            `json:"name"`
	Schema int64             `json:"schema"`
	Rows   int64             `json:"rows"`
	Size   int64             `json:"size"` // bytes of plaintext
	Marks  map[string]string `json:"marks,omitempty"`
	Packs  []Pack            `json:"packs"` // their plaintexts, one after the other, are the export
}

// Pack is one sealed segment of an export.
type Pack struct {
	Name   string `json:"name"`   // of the object
	SHA256 string `json:"sha256"` // hex, of the ciphertext
	Size   int64  `json:"size"`   // bytes of ciphertext
	Plain  int64  `json:"plain"`  // bytes of plaintext
}

// latest stands for the newest snapshot where an id is asked for.
const latest = "latest"

func manifestName(number int64) string { return fmt.Sprintf("%s%010d.json", manifestPrefix, number) }

func newSnapshotID(at time.Time) string {
	return at.UTC().Format(timeInNames) + "-" + calms.RandomName(5)
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// numbers lists the manifests that the repository holds, ascending.
func (r *Repository) numbers(ctx context.Context) (numbers []int64, err error) {
	infos, err := r.bucket.List(ctx, manifestPrefix)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		text := strings.TrimSuffix(strings.TrimPrefix(info.Name, manifestPrefix), ".json")
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && manifestName(n) == info.Name {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// manifest reads one manifest and the hash of its file.
func (r *Repository) manifest(ctx context.Context, number int64) (m Manifest, hash string, err error) {
	name := manifestName(number)
	document, err := r.bucket.Get(ctx, name)
	if err != nil {
		return Manifest{}, "", err
	}
	if err := readSigned(r.signer, purposeManifest, document, &m); err != nil {
		return Manifest{}, hashOf(document), calms.Wrap(name, err)
	}
	if m.Number != number || m.Repository != r.About.ID {
		return Manifest{}, hashOf(document), calms.Errorf(calms.KindInvalid, "%s: it is manifest %d of repository %s", name, m.Number, m.Repository)
	}
	return m, hashOf(document), nil
}

// find reads the manifest of a snapshot, by its id or "latest". Damaged
// manifests of other snapshots do not stand in the way.
func (r *Repository) find(ctx context.Context, id string) (Manifest, error) {
	numbers, err := r.numbers(ctx)
	if err != nil {
		return Manifest{}, err
	}
	var unreadable error
	for _, number := range slices.Backward(numbers) {
		m, _, err := r.manifest(ctx, number)
		switch {
		case err == nil && (id == latest || id == m.Snapshot):
			return m, nil
		case err != nil && (id == latest || !broken(err)):
			return Manifest{}, err
		case err != nil && unreadable == nil:
			unreadable = err
		}
	}
	if unreadable != nil {
		return Manifest{}, calms.Errorf(calms.KindNotFound, "snapshot %.40q was not found; it may be the one that cannot be read: %w", id, unreadable)
	}
	return Manifest{}, calms.Errorf(calms.KindNotFound, "there is no snapshot %.40q in the repository", id).WithHint("calmsctl backup list")
}

// Snapshots lists what the repository offers, newest first. A manifest that
// cannot be believed is listed as failed, with the reason.
func (r *Repository) Snapshots(ctx context.Context) ([]api.Snapshot, error) {
	numbers, err := r.numbers(ctx)
	if err != nil {
		return nil, calms.Wrap("list snapshots", err)
	}
	list := make([]api.Snapshot, 0, len(numbers))
	for _, number := range slices.Backward(numbers) {
		m, _, err := r.manifest(ctx, number)
		if err != nil && !broken(err) {
			return nil, calms.Wrap("list snapshots", err)
		}
		snapshot := m.snapshot()
		if err != nil {
			snapshot = api.Snapshot{ID: manifestName(number), State: api.SnapshotFailed, Error: err.Error()}
		}
		list = append(list, snapshot)
	}
	return list, nil
}

// snapshot is the manifest as the API shows it.
func (m Manifest) snapshot() api.Snapshot {
	s := api.Snapshot{ID: m.Snapshot, Time: m.Created, State: api.SnapshotDone}
	for _, part := range m.Services {
		s.Bytes += part.Size
		s.Services = append(s.Services, api.SnapshotService{Name: part.Name, Bytes: part.Size, Packs: len(part.Packs)})
	}
	return s
}

// packs are all packs of the snapshot, each once.
func (m Manifest) packs() (packs []Pack, size int64) {
	seen := map[string]bool{}
	for _, part := range m.Services {
		for _, pack := range part.Packs {
			if !seen[pack.Name] {
				seen[pack.Name] = true
				packs = append(packs, pack)
				size += pack.Size
			}
		}
	}
	return packs, size
}
