package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

func TestWholeInstallationComesBack(t *testing.T) {
	r := newRig(t)
	r.init()
	r.add(0, 60, 20<<10)
	var told []string
	snapshot, err := r.service.Take(t.Context(), func(step string, done, total int64) {
		if done <= 0 || done > total {
			t.Errorf("progress %s: %d of %d", step, done, total)
		}
		told = append(told, step)
	})
	if err != nil {
		t.Fatal(err)
	}
	if snapshot.State != api.SnapshotDone || len(snapshot.Services) != 3 || snapshot.Stored == 0 || snapshot.Bytes < 60*20<<10 {
		t.Errorf("snapshot is %+v", snapshot)
	}
	if want := []string{"export history", "export keys", "export backup"}; !slices.Equal(slices.Compact(told), want) {
		t.Errorf("steps were %q", slices.Compact(told))
	}
	if len(r.covered) != 1 || r.covered[0].Snapshot != snapshot.ID || r.covered[0].Marks["history"]["head"] != "60" {
		t.Errorf("covered is %+v", r.covered)
	}
	keys := dump(t, r.keys)
	r.add(60, 10, 100) // lost by the restore: edges send it again

	for range 2 { // the same snapshot, twice
		to, report := r.mustRestore("latest")
		if head := to.check(); head != 60 {
			t.Errorf("the restored history ends at %d", head)
		}
		if report.Snapshot != snapshot.ID || !report.SnapshotTime.Equal(snapshot.Time) || report.Bytes != snapshot.Bytes || len(report.Parts) != 3 ||
			report.Parts[0].Rows != 160 || report.Rows < 160 || report.Duration <= 0 || len(report.Absent)+len(report.Facts)+len(report.BadFacts) != 0 {
			t.Errorf("report is %+v", report)
		}
		if dump(t, to.keys) != keys {
			t.Error("the restored keys differ")
		}
	}
}

func TestSnapshotHoldsTogetherWhileWritersGoOn(t *testing.T) {
	r := newRig(t)
	r.init()
	r.add(0, 100, 10<<10)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for n := 100; ctx.Err() == nil; n++ {
			r.add(n, 1, 500)
			err := r.history.Update(context.Background(), func(tx store.Tx) error {
				_, a := tx.ExecContext(context.Background(), `UPDATE accounts SET amount = amount - 7 WHERE id = $1`, n%100+1)
				_, b := tx.ExecContext(context.Background(), `UPDATE accounts SET amount = amount + 7 WHERE id = $1`, (n*13)%100+1)
				return errors.Join(a, b)
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 3 {
		snapshot := r.take()
		to, _ := r.mustRestore(snapshot.ID)
		if head, mark := to.check(), atoi(t, r.covered[i].Marks["history"]["head"]); head != mark || head < 100 {
			t.Errorf("restored up to %d, the snapshot was said to cover %d", head, mark)
		}
	}
}

func TestSecondSnapshotStoresOnlyWhatIsNew(t *testing.T) {
	r := newRig(t)
	r.init()
	r.add(0, 500, 20<<10)
	first := r.take()
	r.add(500, 10, 20<<10)
	r.exec(r.history, `DELETE FROM entries WHERE number = 3`)
	second := r.take()
	if second.Stored > first.Stored*2/3 || second.Bytes < first.Bytes {
		t.Errorf("first %d of %d bytes, second %d of %d", first.Stored, first.Bytes, second.Stored, second.Bytes)
	}
	third := r.take()
	if third.Stored > 64<<10 {
		t.Errorf("with nothing new %d bytes were stored", third.Stored)
	}
}

func TestRestoredInstallationGoesOnInTheSameRepository(t *testing.T) {
	r := newRig(t)
	r.init()
	r.add(0, 200, 20<<10)
	first := r.take()
	r.add(200, 100, 20<<10)
	second := r.take()

	to, _ := r.mustRestore(first.ID)
	to.reopen(Options{})
	if origin, err := to.service.Snapshot(t.Context(), first.ID); err != nil || origin.State != api.SnapshotDone || origin.Bytes != first.Bytes || origin.Error != "" {
		t.Errorf("the snapshot that was restored from is %+v, %v", origin, err)
	}
	if status, err := to.service.Status(t.Context()); err != nil || status.Risk != "" {
		t.Errorf("status after a restore: %+v, %v", status, err)
	}
	third := to.take()
	list, err := to.service.List(t.Context())
	if err != nil || len(list) != 3 || list[0].ID != third.ID || list[1].ID != second.ID || list[2].ID != first.ID {
		t.Fatalf("list is %+v, %v", list, err)
	}
	for _, snapshot := range list {
		if snapshot.State != api.SnapshotDone {
			t.Errorf("%+v", snapshot)
		}
	}
	if third.Stored > first.Stored/3 {
		t.Errorf("packs that were there were written again: %d bytes, %d at first", third.Stored, first.Stored)
	}
	// What the second snapshot covers is not in this installation.
	var told []string
	for _, c := range to.covered {
		told = append(told, c.Snapshot+c.Marks["history"]["head"])
	}
	if !slices.Equal(told, []string{first.ID + "200", third.ID + "200"}) {
		t.Errorf("covered: %v", told)
	}
	if v, err := to.service.Verify(t.Context(), "latest"); err != nil || len(v.Problems) != 0 || v.Snapshot != third.ID {
		t.Errorf("verify gives %+v, %v", v, err)
	}
}

func TestSingleFlight(t *testing.T) {
	r := newRig(t)
	r.init()
	blocked, release := make(chan struct{}), make(chan struct{})
	r.service.Protect(Database("history", r.history, func(ctx context.Context, tx store.Tx) (map[string]string, error) {
		close(blocked)
		<-release
		return nil, nil
	}))
	running, err := r.service.Create(t.Context())
	if err != nil || running.State != api.SnapshotRunning {
		t.Fatal(running, err)
	}
	<-blocked
	if _, err := r.service.Take(t.Context(), nil); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("a second one gives %v", err)
	}
	if status, err := r.service.Status(t.Context()); err != nil || !status.Running {
		t.Errorf("status is %+v, %v", status, err)
	}
	close(release)
	wait(t, "the snapshot ends", func() bool {
		got, err := r.service.Snapshot(t.Context(), running.ID)
		return err == nil && got.State == api.SnapshotDone
	})
}

func TestFailedSnapshotIsNeverListedAsGood(t *testing.T) {
	r := newRig(t)
	r.init()
	r.add(0, 10, 100)
	good := r.take()
	r.exec(r.keys, `ALTER TABLE keys RENAME TO gone`)
	r.exec(r.keys, `CREATE TABLE keys (id INTEGER PRIMARY KEY AUTOINCREMENT)`) // no export holds its counter
	r.exec(r.keys, `INSERT INTO keys DEFAULT VALUES`)
	failed, err := r.service.Take(t.Context(), nil)
	if err == nil || failed.State != api.SnapshotFailed || !strings.Contains(failed.Error, "keys: ") || !strings.Contains(failed.Error, "AUTOINCREMENT") {
		t.Fatalf("%+v, %v", failed, err)
	}
	if newest, err := r.service.Snapshot(t.Context(), "latest"); err != nil || newest.ID != good.ID {
		t.Errorf("latest is %+v, %v", newest, err)
	}
	if len(r.covered) != 1 {
		t.Errorf("covered is %+v", r.covered)
	}
	status, err := r.service.Status(t.Context())
	if err != nil || status.Newest.ID != good.ID || !strings.Contains(status.Risk, "the last snapshot failed: keys: ") {
		t.Errorf("status is %+v, %v", status, err)
	}
	if _, err := r.service.Verify(t.Context(), failed.ID); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("verifying a failed snapshot gives %v", err)
	}
	if _, _, err := r.restored(failed.ID); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("restoring a failed snapshot gives %v", err)
	}
}

func TestStatusSaysWhatIsAtRisk(t *testing.T) {
	r := newRig(t)
	risk := func(want string) {
		t.Helper()
		status, err := r.service.Status(t.Context())
		if err != nil || (want == "") != (status.Risk == "") || !strings.Contains(status.Risk, want) {
			t.Errorf("risk is %q (%v), want %q", status.Risk, err, want)
		}
	}
	risk("there is no backup repository")
	if _, err := r.service.Create(t.Context()); !errors.Is(err, ErrNoRepository) || calms.HintOf(err) == "" {
		t.Errorf("create without a repository gives %v", err)
	}
	r.init()
	risk("no complete snapshot yet")
	r.take()
	risk("")
	r.exec(r.service.DB(), `UPDATE snapshots SET started = started - $1`, int64(25*3600*1e9))
	risk("the newest complete snapshot is of ")

	inside := newRig(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(inside.data, link); err != nil {
		t.Fatal(err)
	}
	inside.repo = filepath.Join(link, "repository")
	inside.init()
	if status, err := inside.service.Status(t.Context()); err != nil || !strings.Contains(status.Risk, "inside the data directory") {
		t.Errorf("risk is %q, %v", status.Risk, err)
	}
}

func TestInitRefuses(t *testing.T) {
	r := newRig(t)
	good := request(t, r.repo, r.person)
	for name, spoil := range map[string]func(*api.RepositoryRequest){
		"relative folder": func(q *api.RepositoryRequest) { q.Folder = "repository" },
		"recipient":       func(q *api.RepositoryRequest) { q.Recipient = "age1" },
		"nobody":          func(q *api.RepositoryRequest) { q.Recipients = nil },
		"no recipient":    func(q *api.RepositoryRequest) { q.Recipients = []string{"bob"} },
		"no wrapped key":  func(q *api.RepositoryRequest) { q.WrappedKey = nil },
	} {
		bad := good
		spoil(&bad)
		if _, err := r.service.Init(t.Context(), bad); calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(r.repo); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused request left %v", err)
	}
	if _, err := r.service.Init(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	if _, err := r.service.Init(t.Context(), good); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("a second call gives %v", err)
	}
	if _, err := newRig(t).service.Init(t.Context(), good); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("the folder of another installation gives %v", err)
	}
}

// An empty mount point, or another repository mounted in its place, is not
// written to.
func TestForeignFolderIsNotWrittenTo(t *testing.T) {
	r, other := newRig(t), newRig(t)
	r.init()
	other.init()
	r.take()
	aside := r.repo + ".aside"
	for _, c := range []struct{ from, want string }{{"", "holds no repository"}, {other.repo, "ours is"}} {
		if err := os.Rename(r.repo, aside); err != nil {
			t.Fatal(err)
		}
		err := os.Mkdir(r.repo, 0o700)
		if c.from != "" {
			err = errors.Join(err, os.CopyFS(r.repo, os.DirFS(c.from)))
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.service.Take(t.Context(), nil); calms.KindOf(err) != calms.KindUnreachable || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if len(r.packs()) != 0 {
			t.Error("packs were written")
		}
		if err := errors.Join(os.RemoveAll(r.repo), os.Rename(aside, r.repo)); err != nil {
			t.Fatal(err)
		}
	}
	r.take()
}

func TestNewerRepositoryIsRefused(t *testing.T) {
	r := newRig(t)
	r.init()
	r.take()
	text, err := os.ReadFile(filepath.Join(r.repo, aboutName))
	if err == nil {
		err = os.WriteFile(filepath.Join(r.repo, aboutName), []byte(strings.Replace(string(text), `"version": 1`, `"version": 2`, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("format version 2 is newer than this program's %d", formatVersion)
	if _, err := OpenRepository(t.Context(), r.bucket()); err == nil || !strings.Contains(err.Error(), want) || calms.HintOf(err) == "" {
		t.Errorf("open gives %v", err)
	}
	if _, err := r.service.Take(t.Context(), nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("take gives %v", err)
	}
}
