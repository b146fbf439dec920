package backup

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/blob"
)

// The test binary is also the daemon that is killed.
const childEnv = "BACKUP_TEST_DATA"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		daemon(dir)
		return
	}
	os.Exit(m.Run())
}

// slow gives a killer time between two packs.
type slow struct{ blob.Bucket }

func (s slow) Put(ctx context.Context, name string, data []byte) error {
	err := s.Bucket.Put(ctx, name, data)
	fmt.Println(name)
	time.Sleep(50 * time.Millisecond)
	return err
}

// daemon makes a snapshot of the installation in dir and says what it stored.
func daemon(dir string) {
	t := &testing.T{}
	r := &rig{t: t, data: dir}
	r.history, r.keys = openDB(t, dir, "history.db", historySchema), openDB(t, dir, "keys.db", keysSchema)
	r.open(Options{Open: func(location string) (blob.Bucket, error) {
		bucket, err := blob.OpenFolder(location)
		return slow{bucket}, err
	}})
	r.take()
}

func TestKilledSnapshotIsFailedAndTheNextGoesOn(t *testing.T) {
	r := newRig(t)
	r.init()
	r.add(0, 800, 20<<10)
	if err := r.service.Close(); err != nil {
		t.Fatal(err)
	}
	for _, puts := range []int{1, 3} {
		killAfter(t, r.data, puts)
	}
	before := r.packs()
	r.open(Options{})
	list, err := r.service.List(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("list is %+v, %v", list, err)
	}
	for _, snapshot := range list {
		if snapshot.State != api.SnapshotFailed || !strings.Contains(snapshot.Error, "interrupted") {
			t.Errorf("%+v", snapshot)
		}
	}
	next := r.take()
	after := map[string]bool{}
	repository, err := OpenRepository(t.Context(), r.bucket())
	if err != nil {
		t.Fatal(err)
	}
	m, err := repository.find(t.Context(), next.ID)
	if err != nil {
		t.Fatal(err)
	}
	packs, _ := m.packs()
	for _, pack := range packs {
		after[pack.Name] = true
	}
	for _, name := range before {
		if !after[name] {
			t.Errorf("%s was stored before the kill and is not used", name)
		}
	}
	if v, err := r.service.Verify(t.Context(), next.ID); err != nil || len(v.Problems) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if to, _ := r.mustRestore(latest); to.check() != 800 {
		t.Error("not everything came back")
	}
}

// killAfter runs a daemon and kills it after it has stored some objects.
func killAfter(t *testing.T, data string, puts int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+data)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var name string
	for range puts {
		if _, err := fmt.Fscanln(out, &name); err != nil || !strings.HasPrefix(name, packPrefix) {
			t.Fatalf("the daemon says %q, %v", name, err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// The last moment to be killed: the manifest is there, and not noted.
func TestSnapshotWhoseManifestWasWrittenIsFound(t *testing.T) {
	r := newRig(t)
	r.init()
	r.add(0, 10, 100)
	snapshot := r.take()
	r.exec(r.service.DB(), `UPDATE snapshots SET state = 'running', number = 0, announced = 0, services = '[]'`)
	r.covered = nil
	r.reopen(Options{Tend: 10 * time.Millisecond})
	if got, err := r.service.Snapshot(t.Context(), snapshot.ID); err != nil || got.State != api.SnapshotFailed {
		t.Fatalf("%+v, %v", got, err)
	}
	r.service.tend(t.Context())
	if got, err := r.service.Snapshot(t.Context(), latest); err != nil || got.ID != snapshot.ID || got.Bytes != snapshot.Bytes || got.Error != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if len(r.covered) != 1 || r.covered[0].Marks["history"]["head"] != "10" {
		t.Errorf("covered is %+v", r.covered)
	}
}
