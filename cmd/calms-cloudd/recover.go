package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"filippo.io/age"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/cloud/backup"
	"go.calms.com/calms/pkg/cloud/httpapi"
	"go.calms.com/calms/pkg/durable"
)

// The states of a recovery.
const (
	recoveryWaiting   = "waiting"
	recoveryRestoring = "restoring"
	recoveryRestored  = "restored"
	recoveryFailed    = "failed"
)

// farewell is how long the recovery API waits, at most, for somebody to read
// that the restore has ended, before the cloud takes its place.
const farewell = 10 * time.Second

// recovery is a daemon in recovery mode.
type recovery struct {
	place  *place
	bucket blob.Bucket
	log    *slog.Logger
	life   context.Context // of the restore: it outlives the request that begins it
	done   chan struct{}   // closed when the restore has succeeded
	told   chan struct{}   // closed when somebody has read that

	mu    sync.Mutex
	state api.Recovery   // guarded by mu
	wg    sync.WaitGroup // the running restore
}

// recover restores into the empty data directory and returns what came back; nil
// without an error where it was stopped before.
func (p *process) recover(ctx context.Context) (*api.RestoreReport, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second signal ends the process at once
	r, err := newRecovery(ctx, p.place, p.options.repository, p.log)
	if err != nil {
		return nil, err
	}
	if err := p.place.vacate(); err != nil {
		return nil, err
	}
	defer r.wg.Wait()
	return r.serve(ctx, p)
}

// newRecovery opens the repository and reads what it offers.
func newRecovery(ctx context.Context, p *place, folder string, log *slog.Logger) (*recovery, error) {
	bucket, err := blob.OpenFolder(folder)
	if err != nil {
		return nil, calms.Errorf(calms.KindOf(err), "%w", err).WithHint("mount the backup repository at %s, or name the folder where it is with --repository", folder)
	}
	repository, err := backup.OpenRepository(ctx, bucket)
	if err != nil {
		return nil, err
	}
	r := &recovery{place: p, bucket: bucket, log: log, life: ctx, done: make(chan struct{}), told: make(chan struct{})}
	r.state.State = recoveryWaiting
	if r.state.Key, err = repository.WrappedKey(ctx); err != nil {
		return nil, err
	}
	r.state.Snapshots, err = repository.Snapshots(ctx)
	return r, err
}

// serve runs the recovery API until the restore is done or ctx ends.
func (r *recovery) serve(ctx context.Context, p *process) (*api.RestoreReport, error) {
	secret := newSecret()
	certificate, err := temporaryCertificate(p.config.Public.Hosts)
	if err != nil {
		return nil, err
	}
	listener, err := listen("listen.api", p.config.Listen.API)
	if err != nil {
		return nil, err
	}
	defer listener.Close() // the cloud opens it again; an orderly end has closed it
	if err := r.invite(p, "https://"+public(p.config, listener), secret, certificate); err != nil {
		return nil, err
	}
	handler := httpapi.NewRecovery(r, secret, httpapi.Options{Version: self().VersionText(), Log: p.log})
	fixed := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil }
	serving, end := context.WithCancel(ctx)
	defer end()
	go r.finish(ctx, end)
	if err := serveHTTPS(serving, newServer(handler, fixed, p.log), listener); err != nil {
		return nil, calms.Wrap("serve recovery", err)
	}
	return r.result(), nil
}

// finish ends the recovery API soon after the restore.
func (r *recovery) finish(ctx context.Context, end context.CancelFunc) {
	defer end()
	select {
	case <-r.done:
	case <-ctx.Done():
		return
	}
	select {
	case <-r.told:
	case <-time.After(farewell):
	case <-ctx.Done():
	}
}

// result is the report of a restore that succeeded, else nil.
func (r *recovery) result() *api.RestoreReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.State != recoveryRestored {
		return nil
	}
	return r.state.Report
}

// invite writes the recovery file and says what to do with it.
func (r *recovery) invite(p *process, url, secret string, certificate *tls.Certificate) error {
	file := api.RecoveryFile{URL: url, Certificate: certs.FingerprintOf(certificate.Leaf).String(), Secret: secret}
	text, err := file.Marshal()
	if err != nil {
		return err
	}
	path := r.place.path(recoveryName)
	if err := durable.WriteFile(path, text, 0o600); err != nil {
		return calms.Wrap("write recovery file", err)
	}
	_, err = fmt.Fprintf(p.stdout, "Recovery mode: waiting for the key of the repository. The secret is in %s. Next, where the key is:\n  calmsctl restore --recovery-file %[1]s --identity FILE\n", path)
	return err
}

// newSecret draws the bearer key of one recovery.
func newSecret() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(raw)
}

// temporaryCertificate is for one recovery; who connects knows its fingerprint
// from the recovery file, and nothing vouches for it otherwise.
func temporaryCertificate(hosts []string) (*tls.Certificate, error) {
	rootKey, err := certs.NewKey(certs.P256)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	const life = 7 * 24 * time.Hour
	root, err := certs.NewRoot(rootKey, "calms recovery", now, life)
	if err != nil {
		return nil, err
	}
	key, err := certs.NewKey(certs.P256)
	if err != nil {
		return nil, err
	}
	leaf, err := certs.Authority{Certificate: root, Signer: rootKey}.IssueService(key.Public(), "recovery", hosts, now, life)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: certs.DER(leaf), PrivateKey: key, Leaf: leaf}, nil
}

// Recovery implements [httpapi.Restorer].
func (r *recovery) Recovery(context.Context) (api.Recovery, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.State == recoveryRestored {
		select {
		case <-r.told:
		default:
			close(r.told)
		}
	}
	return r.state, nil
}

// Restore implements [httpapi.Restorer].
func (r *recovery) Restore(_ context.Context, request api.RestoreRequest) (api.Recovery, error) {
	identity, err := age.ParseX25519Identity(request.Identity)
	if err != nil {
		return api.Recovery{}, calms.Errorf(calms.KindInvalid, "the repository's key is malformed") // the cause might show it
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.State == recoveryRestoring || r.state.State == recoveryRestored {
		return api.Recovery{}, calms.Errorf(calms.KindConflict, "a restore is %s already", r.state.State)
	}
	r.state.State, r.state.Error, r.state.Step = recoveryRestoring, "", ""
	r.wg.Go(func() { r.end(r.restore(r.life, request.Snapshot, identity)) })
	return r.state, nil
}

// end notes how a restore ended. One that failed can be begun again.
func (r *recovery) end(report *api.RestoreReport, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.log.Error("restore failed", "error", err)
		r.state.State, r.state.Error = recoveryFailed, err.Error()
		return
	}
	r.log.Info("restored", "snapshot", report.Snapshot, "rows", report.Rows, "facts", report.Facts, "epoch", report.Epoch)
	r.state.State, r.state.Report = recoveryRestored, report
	close(r.done)
}

// progress is told by the restore.
func (r *recovery) progress(step string, done, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Step, r.state.Done, r.state.Total = step, done, total
}
