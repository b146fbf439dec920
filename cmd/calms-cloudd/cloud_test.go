package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/daemon"
	"go.calms.com/calms/pkg/escrow"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/wire"
)

// running is a daemon in this process.
type running struct {
	t    *testing.T
	dir  string
	stop context.CancelFunc
	end  chan error
	once sync.Once
}

// start runs serve in a directory. Listeners get fixed ports, so that a restored
// cloud is found where the lost one was.
func start(t *testing.T, o serveOptions) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{t: t, dir: o.data, stop: stop, end: make(chan error, 1)}
	go func() { r.end <- serve(ctx, o, t.Output(), t.Output()) }()
	t.Cleanup(r.halt)
	return r
}

func fixPorts(t *testing.T) {
	t.Helper()
	for _, name := range []string{"API", "BROKER", "PRIVATE"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		t.Setenv("CALMS_CLOUDD_LISTEN_"+name, l.Addr().String())
	}
	t.Setenv("CALMS_CLOUDD_PUBLIC_HOSTS", "127.0.0.1")
}

// halt stops the daemon in order.
func (r *running) halt() {
	r.once.Do(func() {
		r.stop()
		select {
		case err := <-r.end:
			if err != nil {
				r.t.Errorf("serve: %v", err)
			}
		case <-time.After(time.Minute):
			r.t.Error("serve does not stop")
		}
	})
}

// ready waits until the daemon serves.
func (r *running) ready() {
	r.t.Helper()
	eventually(r.t, "the daemon is ready", func() bool {
		select {
		case err := <-r.end:
			r.t.Fatalf("serve ended: %v", err)
		default:
		}
		return daemon.Probe(r.t.Context(), r.dir) == nil
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// operatorOf is a client for the first operator of a data directory.
func operatorOf(t *testing.T, dir string) *api.Client {
	t.Helper()
	path := filepath.Join(dir, operatorName)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("operator file: %v, %v", info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := api.ParseOperatorFile(text)
	if err != nil {
		t.Fatal(err)
	}
	client, err := api.NewClient(api.Config{URL: file.URL, CA: []byte(file.CA), Key: file.Key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// must is for calls that have to succeed: must(t)(call()).
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// provision makes organisation, site and device where they are missing, and a
// ticket.
func provision(t *testing.T, c *api.Client, device calms.Path) string {
	t.Helper()
	for _, err := range []error{
		second(c.CreateOrg(t.Context(), api.CreateRequest{Path: string(device.At(calms.LevelOrganisation))})),
		second(c.CreateSite(t.Context(), api.CreateRequest{Path: string(device.At(calms.LevelSite))})),
	} {
		if err != nil && calms.KindOf(err) != calms.KindConflict {
			t.Fatal(err)
		}
	}
	return must[api.Provisioned](t)(c.ProvisionDevice(t.Context(), device, api.ProvisionRequest{})).Ticket
}

func second[T any](_ T, err error) error { return err }

var begin = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

func TestSamplesFromEnrolmentToExport(t *testing.T) {
	fixPorts(t)
	cloud := start(t, serveOptions{data: filepath.Join(t.TempDir(), "data")})
	cloud.ready()
	c := operatorOf(t, cloud.dir)

	ticket := provision(t, c, "acme/ljubljana/comp-3")
	e := enrolEdge(t, ticket)
	l, _ := e.talk()
	e.measure(begin, 3)
	l.deliver(0)

	series := must[api.Series](t)(c.Query(t.Context(), api.Query{Path: "acme/ljubljana/comp-3/flow"}))
	if len(series.Samples) != 3 || series.Channel.Unit != "m³/h" || *series.Samples[2].Value != 2 || !series.Samples[2].Time.Equal(begin.Add(2*time.Second)) {
		t.Errorf("query: %+v", series)
	}
	digest := must[api.Digest](t)(c.Digest(t.Context(), "acme/ljubljana/comp-3/flow", begin, begin.Add(4*time.Second), 2))
	if len(digest.Buckets) != 2 || digest.Buckets[0].Count != 2 || *digest.Buckets[0].Mean != 0.5 {
		t.Errorf("digest: %+v", digest.Buckets)
	}

	tailed := make(chan api.Sample, 10)
	tailing, stop := context.WithCancel(t.Context())
	var tail sync.WaitGroup
	defer tail.Wait()
	defer stop()
	tail.Go(func() {
		_ = c.Tail(tailing, "acme", func(s api.Sample) error { tailed <- s; return nil }) // ends by stop
	})
	eventually(t, "a tail shows what is stored", func() bool {
		e.measure(begin, 1)
		l.deliver(uint64(len(e.entries)) - 1)
		return len(tailed) > 0
	})
	if s := <-tailed; s.Channel != "acme/ljubljana/comp-3/flow" || s.Quality != "good" {
		t.Errorf("tail: %+v", s)
	}

	var exported []string
	if err := c.Export(t.Context(), api.Query{Path: "acme"}, func(s api.Sample) error {
		exported = append(exported, fmt.Sprint(s.Time.Sub(begin).Seconds(), "=", *s.Value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(exported) != int(e.total) || exported[1] != "1=1" {
		t.Errorf("export: %v", exported)
	}

	device := must[api.Device](t)(c.GetDevice(t.Context(), "acme/ljubljana/comp-3"))
	if !device.Connected || device.State != api.DeviceEnrolled || len(device.Journals) != 1 || device.Journals[0].Cursor != uint64(len(e.entries)) || device.LastSeen == nil {
		t.Errorf("device: %+v", device)
	}
	status := must[api.Status](t)(c.Status(t.Context()))
	if status.Devices.Connected != 1 || !status.RootKey || status.Replay != nil || len(status.Alarms) != 1 || status.Alarms[0].Kind != alarmNoRepository || len(status.Services) != 9 {
		t.Errorf("status: %+v", status)
	}
	if _, err := enrolWith(t, ticket, newEdgeKey(t)); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("a used ticket with another key: %v", err)
	}
}

func TestAlarmsAreRaisedAgainAndCleared(t *testing.T) {
	fixPorts(t)
	cloud := start(t, serveOptions{data: filepath.Join(t.TempDir(), "data")})
	cloud.ready()
	c := operatorOf(t, cloud.dir)
	const path = "acme/ljubljana/comp-3"
	ticket := provision(t, c, path)
	e := enrolEdge(t, ticket)
	l, _ := e.talk()
	e.measure(begin, 1)
	l.deliver(0)
	if _, err := enrolWith(t, ticket, newEdgeKey(t)); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("a used ticket with another key: %v", err)
	}
	if !stands(t, c, api.ClearAlarmRequest{Kind: "ticket-misused", Subject: path}) {
		t.Errorf("no alarm names the device's path: %+v", must[[]api.Alarm](t)(c.ListAlarms(t.Context())))
	}
	cloud.halt()
	lose(t, cloud.dir, calms.DeviceID(e.enrollment.DeviceID))

	again := start(t, serveOptions{data: cloud.dir})
	again.ready()
	loss := api.ClearAlarmRequest{Kind: ingest.AlarmLoss, Subject: path}
	eventually(t, "the loss is told again after a start", func() bool { return stands(t, c, loss) })
	if a := must[api.Alarm](t)(c.ClearAlarm(t.Context(), loss)); !strings.Contains(a.Text, "tail-lost") {
		t.Errorf("cleared %+v", a)
	}
	if stands(t, c, loss) {
		t.Error("a cleared alarm stands")
	}
	if _, err := c.ClearAlarm(t.Context(), loss); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("an alarm that does not stand is cleared: %v", err)
	}
	if _, err := c.ClearAlarm(t.Context(), api.ClearAlarmRequest{Kind: "loss"}); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("an alarm without a subject is cleared: %v", err)
	}
}

// lose notes in the history of a stopped cloud that a device lost something.
func lose(t *testing.T, dir string, device calms.DeviceID) {
	t.Helper()
	h := must[*history.History](t)(history.Open(t.Context(), filepath.Join(dir, "history.db")))
	defer h.Close()
	id := must[[]replica.Journal](t)(h.Journals(t.Context(), device))[0].ID
	if err := h.Seen(t.Context(), nil, []wire.Statement{{Kind: wire.StatementTailLost, Journal: id, Number: 1, Reason: "torn"}}); err != nil {
		t.Fatal(err)
	}
}

func stands(t *testing.T, c *api.Client, alarm api.ClearAlarmRequest) bool {
	t.Helper()
	return slices.ContainsFunc(must[[]api.Alarm](t)(c.ListAlarms(t.Context())), func(a api.Alarm) bool {
		return a.Kind == alarm.Kind && a.Subject == alarm.Subject
	})
}

func TestRevocationCutsAtOnce(t *testing.T) {
	fixPorts(t)
	cloud := start(t, serveOptions{data: filepath.Join(t.TempDir(), "data")})
	cloud.ready()
	c := operatorOf(t, cloud.dir)
	e := enrolEdge(t, provision(t, c, "acme/ljubljana/comp-3"))
	l, _ := e.talk()
	must[api.Renewed](t)(e.renew())

	revoked := make(chan time.Time, 1)
	go func() {
		<-l.lost
		revoked <- time.Now()
	}()
	before := time.Now()
	answer := must[api.Revoked](t)(c.RevokeDevice(t.Context(), "acme/ljubljana/comp-3", api.RevokeRequest{Reason: "stolen"}))
	select {
	case at := <-revoked:
		if took := at.Sub(before); took > time.Second {
			t.Errorf("the connection was cut after %v", took)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the connection was not cut")
	}
	if answer.Disconnected != 1 || answer.Complete || answer.Device.State != api.DeviceRevoked {
		t.Errorf("the answer is %+v", answer)
	}
	if _, err := e.connect(); err == nil {
		t.Error("a revoked device connects")
	}
	if _, err := e.renew(); calms.KindOf(err) != calms.KindForbidden {
		t.Errorf("a revoked device renews: %v", err)
	}
}

func TestListenersRenewWithoutDropping(t *testing.T) {
	fixPorts(t)
	t.Setenv("CALMS_CLOUDD_CERTIFICATES_SERVICE", "10s")
	cloud := start(t, serveOptions{data: filepath.Join(t.TempDir(), "data")})
	cloud.ready()
	c := operatorOf(t, cloud.dir)
	e := enrolEdge(t, provision(t, c, "acme/ljubljana/comp-3"))
	l, _ := e.talk()

	shown := map[string]map[string]bool{e.enrollment.Broker: {}, strings.TrimPrefix(e.enrollment.API, "https://"): {}}
	eventually(t, "both listeners have shown three certificates", func() bool {
		enough := true
		for address, serials := range shown {
			serials[e.serverSerial(address)] = true
			enough = enough && len(serials) >= 3
		}
		return enough
	})
	e.measure(begin, 1)
	l.deliver(0) // on the first connection
	must[api.Status](t)(c.Status(t.Context()))
}

// repository makes a repository and a snapshot, and returns the folder and the
// identity of the person who may restore.
func repository(t *testing.T, c *api.Client) (folder string, person *age.X25519Identity) {
	t.Helper()
	person = must[*age.X25519Identity](t)(age.GenerateX25519Identity())
	key := must[escrow.Key](t)(escrow.Make([]string{person.Recipient().String()}))
	folder = filepath.Join(t.TempDir(), "repository")
	must[api.Repository](t)(c.CreateRepository(t.Context(), api.RepositoryRequest{
		Folder: folder, Recipient: key.Recipient, WrappedKey: key.Wrapped, Recipients: key.People}))
	if stands(t, c, api.ClearAlarmRequest{Kind: alarmNoRepository, Subject: backupName}) {
		t.Error("there is a repository, and an alarm that says there is none")
	}
	return folder, person
}

func snapshot(t *testing.T, c *api.Client) api.Snapshot {
	t.Helper()
	var s api.Snapshot
	eventually(t, "a snapshot begins", func() (ok bool) {
		var err error
		s, err = c.CreateSnapshot(t.Context())
		if err != nil && calms.KindOf(err) != calms.KindConflict { // the first is made by itself
			t.Fatal(err)
		}
		return err == nil
	})
	eventually(t, "the snapshot is complete", func() bool {
		s = must[api.Snapshot](t)(c.GetSnapshot(t.Context(), s.ID))
		if s.State == api.SnapshotFailed {
			t.Fatal(s.Error)
		}
		return s.State == api.SnapshotDone
	})
	return s
}

func TestBackFromTheDead(t *testing.T) {
	fixPorts(t)
	cloud := start(t, serveOptions{data: filepath.Join(t.TempDir(), "data")})
	cloud.ready()
	c := operatorOf(t, cloud.dir)
	folder, person := repository(t, c)

	// Before the snapshot: one that stays, and one that will be revoked.
	stays, revoked := enrolEdge(t, provision(t, c, "acme/ljubljana/stays")), enrolEdge(t, provision(t, c, "acme/ljubljana/revoked"))
	l, welcome := stays.talk()
	stays.measure(begin, 2)
	l.deliver(0)
	snap := snapshot(t, c)
	if v := must[api.Verification](t)(c.VerifySnapshot(t.Context(), snap.ID)); len(v.Problems) > 0 || v.Packs == 0 {
		t.Errorf("verification: %+v", v)
	}
	eventually(t, "the snapshot covers the journal", func() bool {
		d := must[api.Device](t)(c.GetDevice(t.Context(), "acme/ljubljana/stays"))
		return d.Journals[0].Covered == 2
	})

	// After it: more samples, a new device, a revocation, a burnt ticket.
	stays.measure(begin, 5)
	l.deliver(2)
	ticket := provision(t, c, "acme/maribor/young")
	young := enrolEdge(t, ticket)
	yl, _ := young.talk()
	young.measure(begin, 3)
	yl.deliver(0)
	if answer := must[api.Revoked](t)(c.RevokeDevice(t.Context(), "acme/ljubljana/revoked", api.RevokeRequest{Reason: "stolen"})); !answer.Complete {
		t.Errorf("the repository does not have the revocation: %+v", answer)
	}
	cloud.halt()

	restored := recoverInto(t, filepath.Join(t.TempDir(), "new"), folder, person)
	status := must[api.Status](t)(c.Status(t.Context())) // the same operator, key and authorities
	if status.Epoch == welcome.Epoch.String() || status.Replay == nil || status.Replay.Report.Snapshot != snap.ID || status.Replay.Report.Facts < 2 || status.Replay.Complete {
		t.Errorf("status after the restore: %+v", status.Replay)
	}

	// The edges come back by themselves, and send again what is missing.
	l, welcome = stays.talk()
	if len(welcome.Cursors) != 1 || welcome.Cursors[0].Number != 2 || welcome.Epoch.String() != status.Epoch {
		t.Errorf("welcome after the restore: %+v", welcome)
	}
	l.deliver(welcome.Cursors[0].Number)
	yl, welcome = young.talk() // the snapshot does not know it
	yl.deliver(0)
	eventually(t, "the replay is complete", func() bool {
		return must[api.Status](t)(c.Status(t.Context())).Replay.Complete
	})
	samples := map[string]int{}
	if err := c.Export(t.Context(), api.Query{}, func(s api.Sample) error { samples[s.Channel]++; return nil }); err != nil {
		t.Fatal(err)
	}
	if samples["acme/ljubljana/stays/flow"] != 7 || samples["acme/maribor/young/flow"] != 3 {
		t.Errorf("after the replay: %v", samples)
	}

	// What was shut out stays out.
	if _, err := revoked.connect(); err == nil {
		t.Error("a revoked device connects to the restored cloud")
	}
	if _, err := revoked.renew(); calms.KindOf(err) != calms.KindForbidden {
		t.Errorf("a revoked device renews at the restored cloud: %v", err)
	}
	if _, err := enrolWith(t, ticket, newEdgeKey(t)); err == nil {
		t.Error("a burnt ticket is good again")
	}
	restored.halt()

	// The restored cloud is an ordinary one.
	again := start(t, serveOptions{data: restored.dir})
	again.ready()
	if status := must[api.Status](t)(c.Status(t.Context())); status.Replay != nil || status.Devices.Total != 3 {
		t.Errorf("status after another start: %+v", status)
	}
}

// recoverInto starts a daemon in recovery mode, first one that dies in the
// middle, and restores.
func recoverInto(t *testing.T, dir, folder string, person *age.X25519Identity) *running {
	t.Helper()
	o := serveOptions{data: dir, recover: true, repository: folder}
	died := start(t, o)
	path := filepath.Join(dir, recoveryName)
	eventually(t, "a recovery file", func() bool { _, err := os.Stat(path); return err == nil })
	if err := probe(t.Context(), dir); calms.KindOf(err) != calms.KindPending || !strings.Contains(err.Error(), "recovery mode: waiting") {
		t.Errorf("health in recovery mode: %v", err)
	}
	died.halt()
	if err := probe(t.Context(), dir); calms.KindOf(err) != calms.KindUnreachable {
		t.Errorf("health after a recovery that died: %v", err)
	}
	if err := serve(t.Context(), serveOptions{data: dir}, t.Output(), t.Output()); calms.KindOf(err) != calms.KindConflict || !strings.Contains(calms.HintOf(err), "--recover") {
		t.Errorf("an unfinished restore is served: %v", err)
	}

	old := must[[]byte](t)(os.ReadFile(path))
	r := start(t, o)
	eventually(t, "another recovery file", func() bool {
		text, err := os.ReadFile(path)
		return err == nil && !bytes.Equal(text, old)
	})
	file := must[api.RecoveryFile](t)(api.ParseRecoveryFile(must[[]byte](t)(os.ReadFile(path))))
	pin := must[[32]byte](t)(file.Pin())
	client := must[*api.Client](t)(api.NewClient(api.Config{URL: file.URL, Key: file.Secret, Pin: &pin}))
	defer client.Close()
	state := must[api.Recovery](t)(client.Recovery(t.Context()))
	if state.State != recoveryWaiting || len(state.Snapshots) == 0 {
		t.Fatalf("recovery: %+v", state)
	}
	key := must[*age.X25519Identity](t)(escrow.Unwrap(state.Key, []age.Identity{person}))
	stranger := must[*age.X25519Identity](t)(age.GenerateX25519Identity())
	must[api.Recovery](t)(client.Restore(t.Context(), api.RestoreRequest{Snapshot: "latest", Identity: stranger.String()}))
	eventually(t, "a wrong key fails", func() bool {
		return must[api.Recovery](t)(client.Recovery(t.Context())).State == recoveryFailed
	})
	must[api.Recovery](t)(client.Restore(t.Context(), api.RestoreRequest{Snapshot: "latest", Identity: key.String()}))
	eventually(t, "the restore ends", func() bool {
		state, err := client.Recovery(t.Context())
		if err != nil || state.State == recoveryFailed {
			t.Fatal(state.Error, err)
		}
		return state.State == recoveryRestored
	})
	r.ready()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the recovery file is still there: %v", err)
	}
	return r
}
