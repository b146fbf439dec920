package backup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// Options are the service's settings. The zero value of each is its default.
type Options struct {
	DataDir string        // of the daemon: a repository inside it is reported as a risk
	Every   time.Duration // between snapshots: 12 h, varied by up to a tenth
	Retry   time.Duration // after a snapshot that failed: a 24th of Every
	Tend    time.Duration // between looks at what is due or pending: 30 s

	// Covered is called after a snapshot is complete and durable in the
	// repository, and again later until it returns nil, also after a restart:
	// what the marks tell is safe now, and keys that waited may be used.
	Covered func(context.Context, Covered) error
	// Open opens the bucket at a location: [blob.OpenFolder], which makes none.
	Open func(location string) (blob.Bucket, error)
	Log  *slog.Logger // nowhere
}

func (o Options) withDefaults() Options {
	if o.Every == 0 {
		o.Every = 12 * time.Hour
	}
	if o.Retry == 0 {
		o.Retry = o.Every / 24
	}
	if o.Tend == 0 {
		o.Tend = 30 * time.Second
	}
	if o.Covered == nil {
		o.Covered = func(context.Context, Covered) error { return nil }
	}
	if o.Open == nil {
		o.Open = func(location string) (blob.Bucket, error) { return blob.OpenFolder(location) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Covered tells what a complete snapshot holds.
type Covered struct {
	Snapshot string
	Time     time.Time                    // everything before this moment is in it
	Marks    map[string]map[string]string // by source: what it said about its export
}

// Service is the backup service. All methods are safe for concurrent use.
type Service struct {
	db      *store.DB
	options Options
	sources []Source // set by Protect before anything runs

	taking sync.Mutex // held by whoever makes a snapshot
	wake   chan struct{}

	life   context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // snapshots that run beside their caller
}

// Open opens the service's database in dir, which is made (0700) where there is
// none. A snapshot that was running when the process died is failed now.
func Open(ctx context.Context, dir string, options Options) (*Service, error) {
	s := &Service{options: options.withDefaults(), wake: make(chan struct{}, 1)}
	s.life, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.open(ctx, dir); err != nil {
		s.cancel()
		return nil, calms.Wrap("open backup", err)
	}
	return s, nil
}

func (s *Service) open(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var err error
	if s.db, err = store.Open(ctx, filepath.Join(dir, "backup.db"), Migrations()); err != nil {
		return err
	}
	if err := failInterrupted(ctx, s.db); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// ownName is the name of the backup's own part of a snapshot.
const ownName = "backup"

// Protect says what snapshots hold, in the order of their export: whatever
// refers to another service's data comes before it, so that everything it
// refers to is in the later export. The backup's own database comes last by
// itself. Call it once, before the first snapshot.
func (s *Service) Protect(sources ...Source) {
	s.sources = append(sources, Database(ownName, s.db, nil))
}

// DB is the service's database, for restore.
func (s *Service) DB() *store.DB { return s.db }

// Close breaks a running snapshot off, waits for it and closes the database.
func (s *Service) Close() error {
	s.cancel()
	s.wg.Wait()
	return s.db.Close()
}

// nudge makes Run look at once.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
