//go:build crashpoints

package replication_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/replication"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// realCloud is the real history and ingest.
type realCloud struct {
	world   *real
	dir     string
	devices *knownDevices
	history *history.History
	ingest  *ingest.Ingest
	from    *realEdge // whose message is being handled
}

// knownDevices stands for fleet and pki.
type knownDevices struct {
	authority *authority
	revoked   map[calms.DeviceID]bool // outside the database: a repository has it at once
}

func (d *knownDevices) Verify(chain []*x509.Certificate) (calms.DeviceID, error) {
	if err := certs.VerifyIgnoringExpiry(chain, d.authority.pool, x509.ExtKeyUsageClientAuth); err != nil {
		return "", err
	}
	return certs.DeviceOf(chain[0])
}

func (d *knownDevices) Revoked(id calms.DeviceID) bool { return d.revoked[id] }

func (d *knownDevices) Admit(_ ctxType, id calms.DeviceID, _ wire.SignedRegistration) (calms.Path, error) {
	return calms.Path("o/s/" + string(id)), nil
}

func (d *knownDevices) Describe(ctxType, calms.DeviceID, []wire.Channel) error { return nil }

// noAlarms is nobody who listens.
type noAlarms struct{}

func (noAlarms) Raise(_, _, _, _, _ string) {}
func (noAlarms) Clear(_, _ string)          {}

// makeTemplate makes the databases that every world begins with: drawing an RSA
// key for each would take most of the time.
func makeTemplate(dir string, pki *authority) error {
	w := &real{dir: dir, pki: pki}
	c := &realCloud{world: w, dir: dir, devices: &knownDevices{pki, map[calms.DeviceID]bool{}}}
	if err := c.open(); err != nil {
		return err
	}
	return c.close()
}

func newRealCloud(w *real, template string) (*realCloud, error) {
	c := &realCloud{world: w, dir: w.directory("cloud"), devices: &knownDevices{w.pki, map[calms.DeviceID]bool{}}}
	if err := os.CopyFS(c.dir, os.DirFS(template)); err != nil {
		return nil, err
	}
	return c, c.open()
}

func (c *realCloud) open() (err error) {
	if c.history, err = history.Open(ctx, filepath.Join(c.dir, "history.db")); err != nil {
		return err
	}
	c.ingest, err = ingest.Open(ctx, filepath.Join(c.dir, "ingest.db"), ingest.Config{
		History: c.history, Devices: c.devices, Link: c, Alarms: noAlarms{}, Log: quiet(),
	})
	return err
}

func (c *realCloud) close() error { return errors.Join(c.ingest.Close(), c.history.Close()) }

// Publish puts an answer into flight, to the edge whose message is handled.
func (c *realCloud) Publish(device calms.DeviceID, stream string, payload []byte) error {
	if c.from.device == device {
		c.from.down = push(c.from.down, uplink.Message{Stream: stream, Payload: payload})
	}
	return nil
}

// take handles a message in the name of a device.
func (c *realCloud) take(from *realEdge, device calms.DeviceID, m uplink.Message) error {
	c.from = from
	err := c.ingest.Handle(ctx, device, 0, m.Stream, m.Payload)
	if calms.KindOf(err) == calms.KindForbidden {
		return nil // revoked
	}
	return err
}

func (w *real) crashCloud(e *realEdge, step replication.Step, n int) error {
	point := map[replication.Step]string{
		replication.Received: "ingest.received", replication.Opened: "ingest.opened", replication.InTransaction: "history.written",
		replication.Committed: "history.committed", replication.Replied: "ingest.replied",
	}[step]
	if _, err := crashing(point, func() error { return e.deliverUp(n, e.device) }); err != nil {
		return err
	}
	return errors.Join(w.cloud.close(), w.cloud.open())
}

func (c *realCloud) rotateKey() error {
	if _, err := c.ingest.RotateKey(ctx); err != nil {
		return err
	}
	marks, err := ingest.Marks(ctx, c.ingest.DB().Read())
	if err != nil {
		return err
	}
	c.world.snapshots = nil // an older one does not hold the key, and would not have let it be used
	return c.ingest.ConfirmKeys(ctx, marks)
}

// snapshot is a backup of the cloud.
type snapshot struct{ history, ingest []byte }

func (w *real) snapshot() error {
	var h, i bytes.Buffer
	var marks []history.Mark
	_, err := store.Export(ctx, w.cloud.history.DB(), &h, func(tx store.Tx) (err error) {
		marks, err = history.Marks(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := store.Export(ctx, w.cloud.ingest.DB(), &i); err != nil {
		return err
	}
	w.snapshots = append(w.snapshots, snapshot{h.Bytes(), i.Bytes()})
	return w.cloud.history.Cover(ctx, marks)
}

func (w *real) restore(n int) error {
	if len(w.snapshots) == 0 {
		return nil
	}
	s := w.snapshots[n%len(w.snapshots)]
	if err := w.cloud.close(); err != nil {
		return err
	}
	w.cloud.dir = w.directory("cloud")
	if err := os.Mkdir(w.cloud.dir, 0o700); err != nil {
		return err
	}
	for name, data := range map[string][]byte{"history": s.history, "ingest": s.ingest} {
		if err := w.importInto(name, data); err != nil {
			return fmt.Errorf("restore %s: %w", name, err)
		}
	}
	if err := w.cloud.open(); err != nil {
		return err
	}
	if _, err := w.cloud.history.NewEpoch(ctx); err != nil {
		return err
	}
	return w.cloud.history.CoverAll(ctx)
}

func (w *real) importInto(name string, data []byte) error {
	files := map[string]func() (*store.DB, error){
		"history": func() (*store.DB, error) {
			return store.Open(ctx, filepath.Join(w.cloud.dir, "history.db"), history.Migrations())
		},
		"ingest": func() (*store.DB, error) {
			return store.Open(ctx, filepath.Join(w.cloud.dir, "ingest.db"), ingest.Migrations())
		},
	}
	db, err := files[name]()
	if err != nil {
		return err
	}
	_, err = store.Import(ctx, db, bytes.NewReader(data))
	return errors.Join(err, db.Close())
}

// observe reads what an export of the cloud would hold.
func (c *realCloud) observe(o *replication.Observation) error {
	o.Epoch = c.history.Epoch().String()
	journals, err := c.history.Journals(ctx, "")
	if err != nil {
		return err
	}
	gaps, err := c.history.Gaps(ctx, "")
	if err != nil {
		return err
	}
	for _, j := range journals {
		r := replication.Replica{Device: string(j.ID.Device), Journal: j.ID.String(), Cursor: int(j.Cursor.Number)}
		for _, g := range gaps {
			if g.Journal == j.ID {
				r.Gaps = append(r.Gaps, replication.Range{First: int(g.First), Last: int(g.Last)})
			}
		}
		o.Replicas = append(o.Replicas, r)
	}
	if err := c.observeStatements(o); err != nil {
		return err
	}
	return c.observeSamples(o)
}

func (c *realCloud) observeStatements(o *replication.Observation) error {
	statements, err := c.history.Statements(ctx, "")
	if err != nil {
		return err
	}
	for _, s := range statements {
		device := string(s.Journal.Device)
		switch s.Kind {
		case wire.StatementBranch:
			o.Branches = append(o.Branches, replication.Branch{Device: device, Journal: s.Journal.String(), Number: int(s.Number), Hash: hashText(s.Hash)})
		case wire.StatementTailLost:
			o.Losses = append(o.Losses, replication.Loss{Device: device, Journal: s.Journal.String(), After: int(s.Number)})
		case wire.StatementWiped:
			o.Losses = append(o.Losses, replication.Loss{Device: device})
		}
	}
	return nil
}

// observeSamples reads every stored batch, so that what is stored twice shows.
func (c *realCloud) observeSamples(o *replication.Observation) error {
	codec, err := batch.NewCodec()
	if err != nil {
		return err
	}
	rows, err := c.history.DB().Read().QueryContext(ctx, `SELECT device, batch FROM batches ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var device string
		var encoded []byte
		if err := rows.Scan(&device, &encoded); err != nil {
			return err
		}
		b, err := codec.Decode(encoded)
		if err != nil {
			return err
		}
		for _, v := range b.Columns[0].Values {
			o.Stored = append(o.Stored, replication.Stored{Device: device, Sample: replication.SampleID(v)})
		}
	}
	return rows.Err()
}
