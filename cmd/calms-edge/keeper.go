package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/agent"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// keeper keeps a journal open whatever happens to its file: one that cannot be
// opened (a full disk) is tried again, a damaged one is set aside and another
// begun. Measuring goes on meanwhile. Beside the journal it holds the exports
// that were brought in and that the cloud does not have yet.
type keeper struct {
	path    string
	options journal.Options
	log     *slog.Logger
	imports *imports
	// remember notes the generation of a journal that was found, outside of it.
	remember func(generation uint64)

	mu      sync.Mutex
	open    *journal.Journal // guarded by mu; nil where it cannot be opened
	current wire.JournalID   // guarded by mu; stays known while it cannot
	err     error            // guarded by mu; why it cannot be opened
	tried   time.Time        // guarded by mu
	aside   []string         // guarded by mu; damaged files set aside since the start
}

// reopenAfter is the pause between attempts to open the journal.
const reopenAfter = time.Second

// get is the journal, opened where it is not.
func (k *keeper) get(ctx context.Context) (*journal.Journal, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open != nil {
		return k.open, nil
	}
	if time.Since(k.tried) < reopenAfter {
		return nil, k.err
	}
	k.tried = time.Now()
	opened, err := k.openFile(ctx)
	if err != nil {
		if k.err == nil || k.err.Error() != err.Error() {
			k.log.Error("journal cannot be opened, samples wait in memory", "error", err)
		}
		k.err = err
		return nil, err
	}
	k.open, k.err = opened, nil
	k.remember(opened.Current().Generation)
	k.log.Info("journal open", "journal", opened.Current().Name())
	return opened, nil
}

// openFile opens the journal, or another one where it is damaged. The caller
// holds mu.
func (k *keeper) openFile(ctx context.Context) (*journal.Journal, error) {
	opened, err := journal.Open(ctx, k.path, k.options)
	err = store.Classify(err)
	if !errors.Is(err, store.ErrDamaged) {
		return opened, err
	}
	if err := k.setAside(err); err != nil {
		return nil, err
	}
	return journal.Open(ctx, k.path, k.options)
}

// setAside makes place for a new journal. The caller holds mu.
func (k *keeper) setAside(damage error) error {
	path, err := journal.SetAside(k.path, time.Now())
	if err != nil {
		return errors.Join(damage, err)
	}
	k.options.Wiped = "the journal file was damaged and set aside"
	k.aside = append(k.aside, path)
	k.log.Error("JOURNAL DAMAGED: it was set aside and a new one begins; bring in what it still holds",
		"error", damage, "aside", path, "hint", "calms-edge journal export --journal "+path+" FILE")
	return nil
}

// with does something with the journal. Where that finds it damaged, the
// journal is set aside; the error stands, and the next call finds a new one.
func (k *keeper) with(ctx context.Context, do func(*journal.Journal) error) error {
	j, err := k.get(ctx)
	if err != nil {
		return err
	}
	err = store.Classify(do(j))
	if errors.Is(err, store.ErrDamaged) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.open == j {
			k.open, k.tried = nil, time.Time{}
			k.options.Generation = max(k.options.Generation, j.Current().Generation) // begun since the start
			err = errors.Join(err, j.Close(), k.setAside(err))
		}
	}
	return err
}

// ask is [keeper.with] for something that returns a value.
func ask[T any](ctx context.Context, k *keeper, question func(*journal.Journal) (T, error)) (answer T, err error) {
	err = k.with(ctx, func(j *journal.Journal) (err error) {
		answer, err = question(j)
		return err
	})
	return answer, err
}

// Close closes the journal.
func (k *keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open == nil {
		return nil
	}
	err := k.open.Close()
	k.open, k.err, k.tried = nil, calms.Errorf(calms.KindUnavailable, "the journal is closed"), time.Now().Add(time.Hour)
	return err
}

// problems is what somebody should look at.
func (k *keeper) problems() (cannotOpen error, aside []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open == nil {
		cannotOpen = k.err
	}
	return cannotOpen, k.aside
}

// Current is the journal that entries are appended to; that of the last time
// where it cannot be opened now.
func (k *keeper) Current() wire.JournalID {
	j, err := k.get(context.Background())
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.current = j.Current()
	}
	return k.current
}

// Reason says why the current journal was begun.
func (k *keeper) Reason(ctx context.Context) (string, error) {
	stat, err := k.Stat(ctx)
	if err != nil || len(stat.Journals) == 0 {
		return "", err
	}
	return stat.Journals[len(stat.Journals)-1].Reason, nil
}

// Append implements [agent.Journal].
func (k *keeper) Append(ctx context.Context, s *seal.Session, e agent.Entry) error {
	return k.with(ctx, func(j *journal.Journal) error {
		return j.Append(ctx, s, journal.Record{
			Kind: e.Kind, Plaintext: e.Plaintext, Samples: e.Samples, Since: e.Since, Until: e.Until, Objects: e.Objects,
		})
	})
}

// Stat reads what is held.
func (k *keeper) Stat(ctx context.Context) (journal.Stat, error) {
	return ask(ctx, k, func(j *journal.Journal) (journal.Stat, error) { return j.Stat(ctx) })
}

// wiped says why there may be no journal file although there was one before;
// empty where there never was one, or where it is there. Notes that cannot be
// read tell that there was one, too.
func wiped(path string, notes *agent.Notes, remembered uint64) string {
	if _, err := os.Stat(path); err == nil {
		return ""
	}
	switch {
	case notes.Generation() > 0 || notes.Forgot():
		return "the journal file was gone"
	case remembered > 0:
		return "the device was enrolled again without its journal"
	}
	return ""
}
