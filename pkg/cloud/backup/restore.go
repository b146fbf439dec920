package backup

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"filippo.io/age"

	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
)

// Report says what a restore brought back.
type Report struct {
	Repository   string // id
	Snapshot     string // id
	SnapshotTime time.Time
	Parts        []Restored
	Absent       []string      // sources that the snapshot does not have: they stay empty
	Facts        []facts.Fact  // all that the repository holds, oldest first: apply them before any listener opens
	BadFacts     []string      // facts that cannot be read, and why: what they undid is unknown
	Rows         int64         // of all parts
	Bytes        int64         // of plaintext
	Duration     time.Duration // of the whole restore
}

// Restored is one service's part of a restore.
type Restored struct {
	Name  string
	Rows  int64
	Bytes int64
}

// Restore fills sources, whose databases are empty, from a snapshot (an id, or
// "latest"). Every pack is read and checked before the first one is imported. An
// error may leave sources filled in part: restore into a place that is thrown
// away then, and put in place when it succeeded. The kind is
// [calms.KindForbidden] when identity is not the repository's,
// [calms.KindInvalid] or [calms.KindNotFound], with the object's name, when
// something is damaged or missing.
func Restore(ctx context.Context, bucket blob.Bucket, id string, identity age.Identity, sources []Source, progress Progress) (Report, error) {
	started := time.Now()
	r, err := OpenRepository(ctx, bucket)
	if err != nil {
		return Report{}, calms.Wrap("restore", err)
	}
	j := &restoration{Repository: r, identity: identity, sources: sources, progress: progress}
	if err := j.run(ctx, id); err != nil {
		return Report{}, calms.Wrap("restore", err)
	}
	j.report.Duration = time.Since(started)
	return j.report, nil
}

// restoration is one restore. Not for concurrent use.
type restoration struct {
	*Repository
	identity age.Identity
	sources  []Source
	progress Progress
	total    int64 // bytes of plaintext to import
	report   Report
}

func (j *restoration) run(ctx context.Context, id string) error {
	if err := j.checkIdentity(); err != nil {
		return err
	}
	m, err := j.find(ctx, id)
	if err != nil {
		return err
	}
	j.report = Report{Repository: j.About.ID, Snapshot: m.Snapshot, SnapshotTime: m.Created}
	if err := j.match(m); err != nil {
		return err
	}
	if err := j.check(ctx, m); err != nil {
		return err
	}
	if j.report.Facts, j.report.BadFacts, err = j.readFacts(ctx, j.identity, j.progress); err != nil {
		return err
	}
	for _, source := range j.sources {
		if i := slices.IndexFunc(m.Services, func(p Part) bool { return p.Name == source.Name() }); i >= 0 {
			if err := j.restore(ctx, source, m.Services[i]); err != nil {
				return fmt.Errorf("%s: %w", source.Name(), err)
			}
			if err := complete(ctx, source, m); err != nil {
				return fmt.Errorf("%s: %w", source.Name(), err)
			}
		}
	}
	return nil
}

// complete notes in the backup's own database, which was exported before its
// snapshot was complete, that it is.
func complete(ctx context.Context, source Source, m Manifest) error {
	own, is := source.(database)
	if !is || own.name != ownName {
		return nil
	}
	return own.db.Update(ctx, func(tx store.Tx) error { return noteComplete(ctx, tx, m) })
}

// checkIdentity tells a wrong key before anything is read with it.
func (j *restoration) checkIdentity() error {
	key, ok := j.identity.(*age.X25519Identity)
	if !ok || key.Recipient().String() != j.About.Recipient {
		return calms.Errorf(calms.KindForbidden, "this is not the key of repository %s", j.About.ID).
			WithHint("unwrap the key.age of this repository")
	}
	return nil
}

// match sees to it that every part finds its source.
func (j *restoration) match(m Manifest) error {
	for _, part := range m.Services {
		if !slices.ContainsFunc(j.sources, func(s Source) bool { return s.Name() == part.Name }) {
			return calms.Errorf(calms.KindInvalid, "the snapshot holds data of the service %q, which this program does not have", part.Name).
				WithHint("use the program version that wrote it, or a newer one")
		}
		j.total += part.Size
	}
	for _, source := range j.sources {
		if !slices.ContainsFunc(m.Services, func(p Part) bool { return p.Name == source.Name() }) {
			j.report.Absent = append(j.report.Absent, source.Name())
		}
	}
	return nil
}

// check reads every pack before anything is imported.
func (j *restoration) check(ctx context.Context, m Manifest) error {
	packs, total := m.packs()
	var done int64
	for _, pack := range packs {
		if _, err := getPack(ctx, j.bucket, pack); err != nil {
			return err
		}
		done += pack.Size
		j.progress.tell("check", done, total)
	}
	return nil
}

// restore imports one part.
func (j *restoration) restore(ctx context.Context, source Source, part Part) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	r, w := io.Pipe()
	defer r.Close() // frees the writer when the import ends early
	wg.Go(func() { w.CloseWithError(j.feed(ctx, w, part)) })
	rows, err := source.Import(ctx, r)
	if err != nil {
		return err
	}
	rest, err := io.Copy(io.Discard, r)
	if err != nil {
		return err
	}
	if rest > 0 {
		return calms.Errorf(calms.KindInvalid, "%d bytes were left over after the import", rest)
	}
	if rows != part.Rows {
		return calms.Errorf(calms.KindInvalid, "%d rows came, the manifest says %d", rows, part.Rows)
	}
	j.report.Parts = append(j.report.Parts, Restored{part.Name, rows, part.Size})
	j.report.Rows += rows
	return nil
}

// feed writes the part's plaintext to w.
func (j *restoration) feed(ctx context.Context, w io.Writer, part Part) error {
	for _, pack := range part.Packs {
		sealed, err := getPack(ctx, j.bucket, pack)
		if err != nil {
			return err
		}
		plain, err := openPack(j.identity, pack, sealed)
		if err != nil {
			return calms.Wrap(pack.Name, err)
		}
		if _, err := w.Write(plain); err != nil {
			return err
		}
		j.report.Bytes += int64(len(plain))
		j.progress.tell("import "+part.Name, j.report.Bytes, j.total)
	}
	return nil
}
