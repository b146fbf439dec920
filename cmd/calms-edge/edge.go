package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/durable"
	"go.calms.com/calms/pkg/edge/agent"
	"go.calms.com/calms/pkg/edge/clock"
	"go.calms.com/calms/pkg/edge/identity"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/edge/uplink/mqtt"
	"go.calms.com/calms/pkg/wire"
)

// edge is one running edge: the parts of the route, in the order in which a
// sample passes them.
type edge struct {
	config config
	data   string
	log    *slog.Logger
	lock   *durable.DirLock
	start  time.Time

	identity *identity.Identity
	renewer  *certs.Renewer
	clock    *clock.Clock
	notes    *agent.Notes
	sampler  *sensor.Sampler
	recorder *agent.Recorder
	sessions *agent.Sessions
	keeper   *keeper
	uplink   *uplink.Uplink

	mu   sync.Mutex
	link *mqtt.Link // guarded by mu; the newest connection
}

// checkPrivate refuses a data directory whose keys others may read.
func checkPrivate(data string) error {
	if err := identity.CheckMode(data); err != nil {
		return err
	}
	return identity.CheckPrivate(identityDir(data))
}

// openEdge makes the parts and connects them. Nothing runs yet.
func openEdge(c config, data string, log *slog.Logger) (e *edge, err error) {
	e = &edge{config: c, data: data, log: log, start: time.Now()}
	for _, dir := range []string{data, stateDir(data)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, calms.Wrap("open data directory", err)
		}
	}
	if err := checkPrivate(data); err != nil {
		return nil, calms.Wrap("open data directory", err)
	}
	lock, err := durable.Lock(data)
	if err != nil {
		return nil, err
	}
	e.lock = lock
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	if e.identity, err = identity.Open(identityDir(data)); err != nil {
		return nil, err
	}
	if e.clock, err = clock.Open(clock.Config{Dir: stateDir(data), Build: buildTime(), Log: log}); e.clock == nil {
		return nil, err
	} else if err != nil {
		log.Warn("clock", "error", err) // it could not be written down
	}
	if e.notes, err = agent.OpenNotes(stateDir(data), log); err != nil {
		return nil, err
	}
	e.openJournal()
	if err := e.openRoute(); err != nil {
		return nil, err
	}
	return e, e.openRenewal()
}

func (e *edge) openJournal() {
	path := journalFile(e.data)
	e.keeper = &keeper{path: path, log: e.log, options: journal.Options{
		Device:     e.identity.Device(),
		Limit:      e.config.Bytes("journal.limit"),
		Generation: max(e.notes.Generation(), e.identity.Generation()),
		Wiped:      wiped(path, e.notes, e.identity.Generation()),
		Mark:       e.notes.Mark,
	}, remember: e.notes.Remember}
	e.keeper.imports = &imports{dir: importDir(e.data), device: e.identity.Device(), log: e.log}
	if err := e.keeper.imports.reload(); err != nil {
		e.log.Error("import cannot be read", "error", err)
	}
}

// openRoute makes the route of a sample: sampler, recorder, journal, uplink.
func (e *edge) openRoute() (err error) {
	if e.sampler, err = e.config.sampler(e.clock, sink{e}, e.log); err != nil {
		return err
	}
	codec, err := batch.NewCodec()
	if err != nil {
		return err
	}
	e.sessions = agent.NewSessions(e.identity, e.log)
	e.uplink = uplink.New(uplink.Config{
		Journal: upload{e.keeper}, Sessions: e.sessions, Dial: e.dial, Log: e.log,
		Options: uplink.Options{
			Window:       int(e.config.Bytes("uplink.window")),
			ReplayRate:   int(e.config.Bytes("uplink.replay_rate")),
			Boot:         e.clock.Boot(),
			Registration: e.identity.Registration(),
		},
	})
	var channels []wire.Channel
	for _, c := range e.sampler.Channels() {
		channels = append(channels, wire.Channel{Name: c.Name, Unit: c.Unit, Description: c.Description})
	}
	e.recorder = agent.NewRecorder(agent.Config{
		Journal: e.keeper, Sessions: e.sessions, Clock: e.clock, Codec: codec, Channels: channels,
		Notes: e.notes, Version: self().VersionText(), Digest: e.config.Digest, Wake: e.uplink.Wake,
	})
	return nil
}

func (e *edge) openRenewal() (err error) {
	renew := e.identity.Renewer(identity.Renewal{Version: self().VersionText(), Now: e.clock.Now, Prove: e.prove})
	e.renewer, err = certs.NewRenewer(e.identity.Certificate(), renew, e.clock.Now, e.log)
	return err
}

// close ends what openEdge began.
func (e *edge) close() error {
	return errors.Join(e.keeper.Close(), e.clock.KeepFloor(), e.lock.Close())
}

// sink gives the sampler's groups to the recorder.
type sink struct{ edge *edge }

// Store implements [sensor.Sink].
func (s sink) Store(ctx context.Context, g sensor.Group) error {
	b := batch.Batch{Columns: make([]batch.Column, len(g.Columns))}
	for i, c := range g.Columns {
		b.Columns[i] = batch.Column{Channel: c.Channel, Times: c.Times, Values: c.Values, Qualities: c.Qualities}
	}
	return s.edge.recorder.Record(ctx, b)
}

// security is how the broker is recognised, and how this edge is.
func (e *edge) security(certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)) *tls.Config {
	_, host := e.config.broker(e.identity.Links().Broker)
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		ServerName:           host,
		RootCAs:              e.identity.Roots(),
		GetClientCertificate: certificate,
		Time:                 e.clock.Now,
	}
}

// dial connects to the broker with the certificate in force.
func (e *edge) dial(ctx context.Context) (uplink.Link, error) {
	address, _ := e.config.broker(e.identity.Links().Broker)
	link, err := mqtt.Dial(ctx, mqtt.Config{
		Address: address, TLS: e.security(e.renewer.GetClientCertificate),
		Device: e.identity.Device(), Shard: e.identity.Shard(),
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.link = link
	return link, nil
}

// hangUp ends the present connection; the next one begins with a hello.
func (e *edge) hangUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.link != nil {
		e.link.Close()
	}
}

// prove tries a new certificate at the broker, beside the connection that
// stands.
func (e *edge) prove(ctx context.Context, certificate *tls.Certificate) error {
	address, _ := e.config.broker(e.identity.Links().Broker)
	return tryTLS(ctx, address, e.security(
		func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }))
}
