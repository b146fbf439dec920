//go:build crashpoints

package replication_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/crash"
	"go.calms.com/calms/pkg/replication"
)

// real is a [replication.World] of the real journal, uplink, ingest and history
// on real SQLite files. Only the broker between them, the clock, and who knows
// the devices are played here: that is what the schedules are about.
type real struct {
	dir   string
	now   time.Time
	ids   replication.SampleID
	pki   *authority
	cloud *realCloud
	edges []*realEdge
	files int // numbers directories

	snapshots []snapshot
}

// authority issues the device certificates of all worlds of a test.
type authority struct {
	certs.Authority
	pool *x509.CertPool
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, err := certs.NewRoot(key, "test devices", time.Now(), 24*time.Hour)
	if err != nil {
		return nil, err
	}
	return &authority{certs.Authority{Certificate: root, Signer: key}, certs.Pool(root)}, nil
}

func (a *authority) issue(device calms.DeviceID) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := a.IssueDevice(key.Public(), device, time.Now(), time.Hour)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: certs.DER(leaf), PrivateKey: key}, nil
}

// newReal makes a world with some edges, of which the first is enrolled.
func newReal(t testing.TB, pki *authority, template string, edges int) *real {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "replication-")
	if err != nil {
		t.Fatal(err)
	}
	w := &real{dir: dir, now: time.Unix(1_800_000_000, 0), pki: pki}
	if w.cloud, err = newRealCloud(w, template); err != nil {
		t.Fatal(err)
	}
	for range edges {
		w.edges = append(w.edges, &realEdge{world: w, device: calms.NewDeviceID(), dir: w.directory("edge"), linked: true})
	}
	if err := w.edges[0].enrol(); err != nil {
		t.Fatal(err)
	}
	return w
}

// memory is a directory that costs no disk time: these worlds die by panic, not
// by power cut, so that nothing is proved by waiting for a disk.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (w *real) directory(name string) string {
	w.files++
	return filepath.Join(w.dir, fmt.Sprintf("%s-%d", name, w.files))
}

// Close ends everything and removes the files.
func (w *real) Close() error {
	errs := []error{w.cloud.close()}
	for _, e := range w.edges {
		errs = append(errs, e.stop())
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

var ctx = context.Background()

// Apply does one op.
func (w *real) Apply(op replication.Op) error {
	e := w.edges[op.Edge%len(w.edges)]
	switch op.Kind {
	case replication.Tick:
		return w.tick()
	case replication.Snapshot:
		return w.snapshot()
	case replication.Restore:
		return w.restore(op.N)
	case replication.RotateIngestKey:
		return w.cloud.rotateKey()
	case replication.Clone:
		return w.clone(e)
	case replication.Enrol:
		return e.enrol()
	}
	if e.journal == nil {
		return nil // not enrolled: there is nothing to do anything with
	}
	return w.applyToEdge(e, op)
}

func (w *real) applyToEdge(e *realEdge, op replication.Op) error {
	switch op.Kind {
	case replication.Sample:
		e.sample()
	case replication.Append:
		return e.append()
	case replication.Hello:
		return e.hello()
	case replication.Send:
		return e.send()
	case replication.DeliverUp:
		return e.deliverUp(op.N, e.device)
	case replication.MisrouteUp:
		return w.misroute(e, op.N)
	case replication.DropUp:
		_, e.up, _ = pull(e.up, op.N)
	case replication.RepeatUp:
		e.up = repeat(e.up, op.N)
	case replication.DelayUp:
		e.up = delay(e.up, op.N)
	case replication.DeliverDown:
		return e.deliverDown(op.N)
	case replication.DropDown:
		_, e.down, _ = pull(e.down, op.N)
	case replication.RepeatDown:
		e.down = repeat(e.down, op.N)
	case replication.DelayDown:
		e.down = delay(e.down, op.N)
	case replication.Cut:
		e.linked = false
	case replication.Connect:
		e.linked = true
		return e.hello()
	case replication.CrashEdge:
		return e.crash(op.Step, op.N)
	case replication.CrashCloud:
		return w.crashCloud(e, op.Step, op.N)
	case replication.RestartEdge:
		return e.restart()
	case replication.Evict:
		return e.evict(op.N + 1)
	case replication.LoseTail:
		return e.loseTail(op.N + 1)
	case replication.Damage:
		return e.damage(op.N, op.M+1)
	case replication.Wipe:
		return e.wipe()
	case replication.RotateCertificate:
		return e.rotateCertificate()
	case replication.Revoke:
		w.cloud.devices.revoked[e.device] = true
	}
	return nil
}

// tick lets an hour pass; an edge that heard nothing since the last one says
// hello, which its own timeouts see to.
func (w *real) tick() error {
	w.now = w.now.Add(time.Hour)
	for _, e := range w.edges {
		if e.journal == nil || !e.linked || e.heard {
			e.heard = false
			continue
		}
		if err := e.send(); err != nil {
			return err
		}
	}
	return nil
}

func (w *real) misroute(e *realEdge, n int) error {
	if len(e.up) == 0 {
		return nil
	}
	next := w.edges[(slices.Index(w.edges, e)+1)%len(w.edges)]
	return w.cloud.take(e, next.device, e.up[n%len(e.up)])
}

// clone starts a copy of an edge's disk as a further edge.
func (w *real) clone(e *realEdge) error {
	if e.journal == nil {
		return nil
	}
	c := &realEdge{world: w, device: e.device, dir: w.directory("edge"), linked: true, certificate: e.certificate, keys: e.keys, samples: e.samples}
	if err := e.stop(); err != nil {
		return err
	}
	if err := os.CopyFS(c.dir, os.DirFS(e.dir)); err != nil {
		return err
	}
	// The observer sees of the clone only what the clone itself makes durable.
	c.seen = map[uint64]uint64{}
	for g, n := range e.seen {
		c.seen[g] = n
	}
	w.edges = append(w.edges, c)
	// The original goes on as it was: stopping it was only for the copy.
	return errors.Join(e.resume(), c.start(""))
}

// crashing runs f with a crash at a named point, and reports whether it came to
// that. The part that crashed must be started again.
func crashing(point string, f func() error) (crashed bool, err error) {
	crash.Hook = func(at string) {
		if at == point {
			panic(died{})
		}
	}
	defer func() {
		crash.Hook = nil
		if r := recover(); r != nil {
			if _, ok := r.(died); !ok {
				panic(r)
			}
			crashed, err = true, nil
		}
	}()
	return false, f()
}

type died struct{}

func pull[T any](queue []T, n int) (m T, rest []T, ok bool) {
	if len(queue) == 0 {
		return m, queue, false
	}
	n %= len(queue)
	return queue[n], slices.Delete(slices.Clone(queue), n, n+1), true
}

func repeat[T any](queue []T, n int) []T {
	if len(queue) == 0 {
		return queue
	}
	return push(queue, queue[n%len(queue)])
}

func delay[T any](queue []T, n int) []T {
	if m, rest, ok := pull(queue, n); ok {
		return append(rest, m)
	}
	return queue
}

// push adds to a queue; the broker loses the oldest of too many.
func push[T any](queue []T, m T) []T {
	const limit = 64
	queue = append(slices.Clip(queue), m)
	return queue[max(0, len(queue)-limit):]
}
