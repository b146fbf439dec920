// Package ingest receives what edges send: it opens entries with keys that only
// it holds, checks whose they are, has history commit them with the cursor, and
// answers with the cursor message, the only acknowledgement there is.
package ingest

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
	"sync"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// History commits entries, see history.History.
type History interface {
	Epoch() calms.Epoch
	Position(ctx context.Context, id wire.JournalID) (replica.Cursor, error)
	Commit(ctx context.Context, id wire.JournalID, steps []replica.Step, objects []replica.Object) (replica.Outcome, error)
	CommitGap(ctx context.Context, id wire.JournalID, gap replica.Gap) (replica.Outcome, error)
	Seen(ctx context.Context, held []wire.Held, statements []wire.Statement) error
	Journals(ctx context.Context, device calms.DeviceID) ([]replica.Journal, error)
	Object(ctx context.Context, device calms.DeviceID, name wire.Hash) ([]byte, error)
}

// Devices knows whom to believe.
type Devices interface {
	// Verify checks a certificate chain, leaf first, against all authorities there
	// ever were, ignoring expiry, and says whose it is.
	Verify(chain []*x509.Certificate) (calms.DeviceID, error)
	// Revoked reports whether nothing of the device may be taken any more.
	Revoked(device calms.DeviceID) bool
	// Admit is told of every hello: it returns the device's path, adopting the
	// device from its registration where it is not known.
	Admit(ctx context.Context, device calms.DeviceID, registration wire.SignedRegistration) (calms.Path, error)
	// Describe is told of channels that a device measures.
	Describe(ctx context.Context, device calms.DeviceID, channels []wire.Channel) error
}

// Link carries messages down; they may get lost.
type Link interface {
	Publish(device calms.DeviceID, stream string, payload []byte) error
}

// Alarms is told of what somebody should look at.
type Alarms interface {
	Raise(kind, subject, severity, text, hint string)
	Clear(kind, subject string)
}

// Config is what ingest works with; all fields are needed.
type Config struct {
	History History
	Devices Devices
	Link    Link
	Alarms  Alarms
	Log     *slog.Logger
}

// Ingest receives for all devices. It is safe for concurrent use; messages of
// one device are handled one after another.
type Ingest struct {
	config Config
	db     *store.DB
	keys   keyring
	opener seal.Opener
	codec  *batch.Codec
	counts counts
	replay replay

	mu      sync.Mutex // guards devices
	devices map[calms.DeviceID]*device
}

// Open opens ingest's own database at path, which holds the ingest keys, and
// makes it and the first key where there is none.
func Open(ctx context.Context, path string, config Config) (*Ingest, error) {
	codec, err := batch.NewCodec()
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, path, Migrations())
	if err != nil {
		return nil, err
	}
	i := &Ingest{config: config, db: db, keys: keyring{db: db}, codec: codec, devices: map[calms.DeviceID]*device{}}
	i.opener = seal.Opener{Key: i.keys.private, Verify: config.Devices.Verify}
	if err := i.keys.open(ctx); err != nil {
		return nil, calms.Wrap("open ingest keys", errors.Join(err, db.Close()))
	}
	return i, nil
}

// Close closes the database.
func (i *Ingest) Close() error { return i.db.Close() }

// DB is ingest's own database, for backup.
func (i *Ingest) DB() *store.DB { return i.db }

// Keys lists the keys that edges may use, newest first.
func (i *Ingest) Keys() []Key { return i.keys.usable() }

// AllKeys lists the keys of all times, newest first.
func (i *Ingest) AllKeys() []Key { return i.keys.all() }

// RotateKey makes a new ingest key. It is used only after [Ingest.ConfirmKeys]
// said that a backup repository holds it.
func (i *Ingest) RotateKey(ctx context.Context) (Key, error) {
	if err := i.keys.add(ctx, unconfirmed); err != nil {
		return Key{}, calms.Wrap("rotate ingest key", err)
	}
	return i.keys.all()[0], nil
}

// markKeys is the mark under which a snapshot names the keys in it.
const markKeys = "keys"

// Marks names the keys that a snapshot's transaction sees.
func Marks(ctx context.Context, tx store.Tx) (map[string]string, error) {
	all, err := ids(ctx, tx)
	return map[string]string{markKeys: strings.Join(all, " ")}, calms.Wrap("read ingest keys", err)
}

// ConfirmKeys puts the keys of a complete snapshot into use, by its [Marks].
func (i *Ingest) ConfirmKeys(ctx context.Context, marks map[string]string) error {
	return calms.Wrap("confirm ingest keys", i.keys.confirm(ctx, strings.Fields(marks[markKeys])))
}

// Handle takes one message up. An error means that it was not taken and should
// come again: the broker must not acknowledge it. What is malformed or forged
// is counted and dropped without an error, since it would never get better.
func (i *Ingest) Handle(ctx context.Context, id calms.DeviceID, shard uint32, stream string, payload []byte) error {
	if i.config.Devices.Revoked(id) {
		i.counts.refused.Add(1)
		return calms.Errorf(calms.KindForbidden, "device %s is revoked", id)
	}
	d := i.device(id)
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.handle(ctx, stream, payload)
	switch calms.KindOf(err) {
	case calms.KindInvalid, calms.KindForbidden, calms.KindUnauthenticated, calms.KindNotFound:
		i.drop(d, stream, err)
		return nil
	}
	i.watchDisk(err)
	return err
}

// drop notes a message that will never be taken.
func (i *Ingest) drop(d *device, stream string, err error) {
	i.counts.dropped.Add(1)
	i.config.Log.Warn("message dropped", "device", d.id, "stream", stream, "error", err)
	i.config.Alarms.Raise("message-dropped", d.name(), "warning",
		"a message was not what the device sealed, or cannot be read: "+err.Error(),
		"look for a broken or hostile broker, or update calms-cloudd")
}

// watchDisk raises the alarm for a full disk.
func (i *Ingest) watchDisk(err error) {
	if !errors.Is(err, store.ErrFull) {
		return
	}
	i.counts.fullDisk.Store(true)
	i.config.Alarms.Raise(AlarmDiskFull, "history", "critical",
		"the disk is full: nothing is stored and nothing acknowledged; the edges keep their data",
		"free space under the data directory; the cloud goes on by itself")
}

// diskWorks clears the alarm for a full disk: something was stored. A message
// that needs no space proves nothing.
func (i *Ingest) diskWorks() {
	if i.counts.fullDisk.Swap(false) {
		i.config.Alarms.Clear(AlarmDiskFull, "history")
	}
}

// AlarmDiskFull is the kind of the alarm for a full disk.
const AlarmDiskFull = "disk-full"

func (i *Ingest) device(id calms.DeviceID) *device {
	i.mu.Lock()
	defer i.mu.Unlock()
	d, ok := i.devices[id]
	if !ok {
		d = newDevice(i, id)
		i.devices[id] = d
	}
	return d
}
