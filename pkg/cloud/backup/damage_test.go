package backup

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// rot changes one byte of an object.
func rot(t *testing.T, r *rig, name string) {
	t.Helper()
	path := filepath.Join(r.repo, name)
	data, err := os.ReadFile(path)
	if err == nil {
		data[len(data)/2] ^= 1
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func wantProblem(t *testing.T, r *rig, id, want string) {
	t.Helper()
	v, err := r.service.Verify(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(v.Problems, "\n"); !strings.Contains(all, want) || all == "" {
		t.Errorf("problems are %q, want %q", all, want)
	}
}

func TestBitRotIsFoundNamedAndHealed(t *testing.T) {
	r := newRig(t)
	r.init()
	r.add(0, 100, 20<<10)
	first := r.take()
	if v, err := r.service.Verify(t.Context(), first.ID); err != nil || len(v.Problems) != 0 || v.Packs < 3 || v.Bytes != first.Stored {
		t.Fatalf("an intact snapshot gives %+v, %v", v, err)
	}
	for i, spoil := range []func(name string){
		func(name string) { rot(t, r, name) },
		func(name string) { truncate(t, filepath.Join(r.repo, name)) },
		func(name string) {
			if err := os.Remove(filepath.Join(r.repo, name)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		victim := largestPack(t, r)
		spoil(victim)
		wantProblem(t, r, "latest", victim)
		to, _, err := r.restored("latest")
		if kind := calms.KindOf(err); err == nil || !strings.Contains(err.Error(), victim) || kind != calms.KindInvalid && kind != calms.KindNotFound {
			t.Errorf("case %d: restore gives %v", i, err)
		}
		if strings.Contains(dump(t, to.history), `"rows":100`) || strings.Contains(dump(t, to.keys), marker) {
			t.Errorf("case %d: something was imported", i)
		}
		// The next snapshot must not build on it.
		r.take()
		if v, err := r.service.Verify(t.Context(), "latest"); err != nil || len(v.Problems) != 0 {
			t.Errorf("case %d: the next snapshot has %v, %v", i, v.Problems, err)
		}
		if to, _ := r.mustRestore("latest"); to.check() != 100 {
			t.Errorf("case %d: not everything came back", i)
		}
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
}

// largestPack is the largest pack of the newest snapshot.
func largestPack(t *testing.T, r *rig) (name string) {
	t.Helper()
	repository, err := OpenRepository(t.Context(), r.bucket())
	if err != nil {
		t.Fatal(err)
	}
	m, err := repository.find(t.Context(), latest)
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	packs, _ := m.packs()
	for _, pack := range packs {
		if pack.Size > size {
			name, size = pack.Name, pack.Size
		}
	}
	return name
}

// A damaged manifest is told, costs no other snapshot, and is not "latest".
func TestDamagedAndErasedManifests(t *testing.T) {
	r := newRig(t)
	r.init()
	for n := range 4 {
		r.add(n, 1, 100)
		r.take()
	}
	rot(t, r, manifestName(2))
	wantProblem(t, r, latest, manifestName(2))
	if to, _ := r.mustRestore(latest); to.check() != 4 {
		t.Error("the newest snapshot suffers from an old manifest's damage")
	}
	repository, err := OpenRepository(t.Context(), r.bucket())
	if err != nil {
		t.Fatal(err)
	}
	list, err := repository.Snapshots(t.Context())
	if err != nil || len(list) != 4 || list[2].State != api.SnapshotFailed || list[1].State != api.SnapshotDone || list[1].Bytes == 0 {
		t.Errorf("list is %+v, %v", list, err)
	}

	rot(t, r, manifestName(4))
	if _, _, err := r.restored(latest); err == nil || !strings.Contains(err.Error(), manifestName(4)) {
		t.Errorf("a damaged newest manifest gives %v", err)
	}
	if to, _ := r.mustRestore(list[1].ID); to.check() != 3 {
		t.Error("an older snapshot does not come back by its id")
	}
	if err := os.Remove(filepath.Join(r.repo, manifestName(4))); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, r, latest, "is gone: "+manifestName(4))
	if v, err := r.service.Verify(t.Context(), "nonsense"); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("%+v, %v", v, err)
	}
}

// Whoever can write to the repository, and has its public key, still cannot
// pass something off as a snapshot.
func TestForgedManifestIsRefused(t *testing.T) {
	r := newRig(t)
	r.init()
	r.add(0, 10, 100)
	r.take()
	repository, err := OpenRepository(t.Context(), r.bucket())
	if err != nil {
		t.Fatal(err)
	}
	m, hash, err := repository.manifest(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	m.Number, m.Previous = 2, hash
	_, foreign, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := sign(foreign, purposeManifest, m)
	if err == nil {
		err = r.bucket().Put(t.Context(), manifestName(2), forged)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.restored(latest); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("restore gives %v", err)
	}
	if _, err := r.service.Verify(t.Context(), latest); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("verify gives %v", err)
	}
	// New snapshots go on, above it, and it stays a named problem.
	r.take()
	wantProblem(t, r, latest, manifestName(2))
	// Another key in repository.json makes the daemon believe nothing new.
	about := repository.About
	about.Signer = foreign.Public().(ed25519.PublicKey)
	text, err := json.Marshal(about)
	if err == nil {
		err = os.WriteFile(filepath.Join(r.repo, aboutName), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, r, latest, manifestName(2))
}

func TestWrongIdentityIsToldBeforeAnythingIsRead(t *testing.T) {
	r := newRig(t)
	r.init()
	r.take()
	_, err := Restore(t.Context(), r.bucket(), latest, r.person, nil, nil)
	if calms.KindOf(err) != calms.KindForbidden || calms.HintOf(err) == "" {
		t.Errorf("a person's own key gives %v", err)
	}
	_, err = Restore(t.Context(), r.bucket(), latest, r.identity(), []Source{Database("history", r.history, nil)}, nil)
	if calms.KindOf(err) != calms.KindInvalid || !strings.Contains(err.Error(), `"keys"`) {
		t.Errorf("a missing service gives %v", err)
	}
	if _, _, err := r.restored("20261122t000000z-abc"); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("an unknown snapshot gives %v", err)
	}
}

func TestFullDiskFailsAndRecovers(t *testing.T) {
	r := newRig(t)
	if err := os.MkdirAll(r.repo, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", r.repo, "tmpfs", 0, "size=10m,mode=0700"); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(r.repo, syscall.MNT_DETACH) })
	r.init()
	r.add(0, 20, 1000)
	good := r.take()
	r.add(20, 600, 20<<10)
	failed, err := r.service.Take(t.Context(), nil)
	if calms.KindOf(err) != calms.KindUnavailable || failed.State != api.SnapshotFailed || !strings.Contains(failed.Error, "disk is full") {
		t.Fatalf("%+v, %v (%s)", failed, err, calms.KindOf(err))
	}
	if len(r.covered) != 1 {
		t.Error("a failed snapshot was announced")
	}
	if v, err := r.service.Verify(t.Context(), latest); err != nil || v.Snapshot != good.ID || len(v.Problems) != 0 {
		t.Errorf("the snapshot before it: %+v, %v", v, err)
	}
	before := len(r.packs())
	if err := syscall.Mount("", r.repo, "", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	next := r.take()
	if next.Stored >= 600*20<<10 || before < 3 {
		t.Errorf("%d packs were there and %d bytes were written again", before, next.Stored)
	}
	if to, _ := r.mustRestore(latest); to.check() != 620 {
		t.Error("not everything came back")
	}
}

// What comes from a repository is read with care: nothing makes the readers do
// more than refuse.
func FuzzReadSigned(f *testing.F) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	good, err := sign(private, purposeManifest, Manifest{Version: 1, Number: 1, Services: []Part{{Name: "history", Packs: []Pack{{Name: "packs/aa/b"}}}}})
	if err != nil {
		f.Fatal(err)
	}
	fact, err := sign(private, purposeFact, Manifest{Version: 1})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{good, fact, good[:len(good)/2], []byte(`{"version":2}`), []byte("{}\n{}"), nil, []byte("\n"), []byte("null\nnull")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var m Manifest
		if err := readSigned(public, purposeManifest, document, &m); err == nil && !bytes.Equal(document[:bytes.IndexByte(document, '\n')], good[:bytes.IndexByte(good, '\n')]) {
			t.Errorf("%q is believed", document)
		}
	})
}

func FuzzOpenPack(f *testing.F) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, int64(0))
	f.Add([]byte("\x28\xb5\x2f\xfd\x00\x58\x19\x00\x00abc"), int64(3))
	f.Add([]byte("\x28\xb5\x2f\xfd\xe4\xff\xff\xff\xff\xff\xff\xff\xff"), int64(1<<60))
	f.Fuzz(func(t *testing.T, compressed []byte, plain int64) {
		sealed, err := seal(identity.Recipient(), compressed)
		if err != nil {
			t.Fatal(err)
		}
		data, err := openPack(identity, Pack{Plain: plain}, sealed)
		if err == nil && int64(len(data)) != plain {
			t.Errorf("%d bytes for %d", len(data), plain)
		}
		if _, err := openPack(identity, Pack{Plain: plain}, compressed); err == nil {
			t.Error("an unsealed pack was opened")
		}
	})
}

// entries lists all files below a directory.
func entries(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return paths
}
