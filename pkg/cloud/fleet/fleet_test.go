package fleet

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// authority issues really, from a root of its own.
type authority struct {
	ca certs.Authority

	mu      sync.Mutex
	revoked map[calms.DeviceID]bool // guarded by mu
	fail    error                   // guarded by mu
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	root, err := certs.NewRoot(key, "calms root test", time.Now(), 10*365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{ca: certs.Authority{Certificate: root, Signer: key}, revoked: map[calms.DeviceID]bool{}}
}

func (a *authority) IssueDevice(_ context.Context, id calms.DeviceID, request []byte) ([][]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return nil, a.fail
	}
	public, err := certs.ParseRequest(request)
	if err != nil {
		return nil, err
	}
	c, err := a.ca.IssueDevice(public, id, time.Now(), time.Hour)
	if err != nil {
		return nil, err
	}
	return certs.DER(c, a.ca.Certificate), nil
}

func (a *authority) Revoked(id calms.DeviceID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.revoked[id]
}

func (a *authority) revoke(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked[calms.DeviceID(id)] = true
}

// ledger is the log outside the machine.
type ledger struct {
	mu    sync.Mutex
	facts []facts.Fact // guarded by mu
}

func (l *ledger) Append(_ context.Context, kind, subject string, at time.Time, detail map[string]string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts = append(l.facts, facts.Fact{Kind: kind, Subject: subject, At: at, Detail: detail})
	return nil
}

type bench struct {
	*Service
	dir    string
	issuer *authority
	log    *ledger

	mu     sync.Mutex
	ahead  time.Duration // guarded by mu; of the service's clock
	alarms []string      // guarded by mu
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dir: filepath.Join(t.TempDir(), "fleet"), issuer: newAuthority(t), log: &ledger{}}
	b.open(t)
	t.Cleanup(func() { b.Close() })
	return b
}

func (b *bench) open(t *testing.T) {
	t.Helper()
	var err error
	b.Service, err = Open(t.Context(), b.dir, Options{
		Issuer: b.issuer, CA: certs.FingerprintOf(b.issuer.ca.Certificate), URL: "https://localhost:8443", Facts: b.log, Now: b.clock,
		Raise: func(kind, _, _, _, _ string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.alarms = append(b.alarms, kind)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.ahead)
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ahead += d
}

func (b *bench) audited(t *testing.T, action string) (n int) {
	t.Helper()
	entries, err := store.Entries(t.Context(), b.DB().Read(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == action {
			n++
		}
	}
	return n
}

// site makes acme and acme/ljubljana.
func (b *bench) site(t *testing.T) {
	t.Helper()
	must[api.Org](t)(b.CreateOrg(t.Context(), "acme"))
	must[api.Site](t)(b.CreateSite(t.Context(), "acme/ljubljana"))
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// provision is what an operator does; it returns what the edge reads.
func (b *bench) provision(t *testing.T, path calms.Path) (wire.Ticket, api.Device) {
	t.Helper()
	p := must[api.Provisioned](t)(b.Provision(t.Context(), path, 0))
	return must[wire.Ticket](t)(wire.ParseTicket(p.Ticket)), p.Device
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	return must[crypto.Signer](t)(certs.NewKey(certs.P256))
}

func request(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	return must[[]byte](t)(certs.NewRequest(key, "edge"))
}

func TestTheTree(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	if _, err := b.CreateSite(ctx, "acme/ljubljana"); calms.KindOf(err) != calms.KindNotFound || calms.HintOf(err) != "calmsctl org create acme" {
		t.Errorf("a site without its organisation: %v, hint %q", err, calms.HintOf(err))
	}
	b.site(t)
	if _, err := b.CreateOrg(ctx, "acme"); calms.KindOf(err) != calms.KindConflict || calms.HintOf(err) == "" {
		t.Errorf("twice: %v", err)
	}
	if _, err := b.CreateOrg(ctx, "Acme!"); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("a bad path: %v", err)
	}
	if _, err := b.CreateOrg(ctx, "acme/x"); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("a wrong level: %v", err)
	}
	must[api.Org](t)(b.CreateOrg(ctx, "acme-2"))
	must[api.Org](t)(b.CreateOrg(ctx, "acme0"))
	must[api.Site](t)(b.CreateSite(ctx, "acme-2/x"))
	device := must[api.Device](t)(b.CreateDevice(ctx, "acme/ljubljana/comp-3"))
	if _, err := calms.ParseDeviceID(device.ID); err != nil || device.State != api.DeviceProvisioned || device.Shard >= shards {
		t.Errorf("the device is %+v", device)
	}
	must[api.Channel](t)(b.CreateChannel(ctx, api.CreateRequest{Path: "acme/ljubljana/comp-3/flow", Unit: "m3/h"}))
	for prefix, want := range map[calms.Path]int{"": 2, "acme": 1, "acme/ljubljana": 1, "acme/ljubl": 0, "acme-2": 1, "x": 0} {
		if list, err := b.Sites(ctx, prefix); err != nil || len(list) != want {
			t.Errorf("sites below %q: %v, %v", prefix, list, err)
		}
	}
	if list, err := b.Orgs(ctx, ""); err != nil || len(list) != 3 || list[0].Path != "acme" || list[1].Path != "acme-2" {
		t.Errorf("organisations: %v, %v", list, err)
	}
	for _, path := range []calms.Path{"acme", "acme/ljubljana", "acme/ljubljana/comp-3"} {
		if err := b.delete(ctx, path); calms.KindOf(err) != calms.KindConflict || !strings.Contains(calms.HintOf(err), "list "+string(path)) {
			t.Errorf("delete %s: %v, hint %q", path, err, calms.HintOf(err))
		}
	}
	for _, path := range []calms.Path{"acme/ljubljana/comp-3/flow", "acme/ljubljana/comp-3", "acme/ljubljana", "acme"} {
		if err := b.delete(ctx, path); err != nil {
			t.Errorf("delete %s: %v", path, err)
		}
		if err := b.delete(ctx, path); calms.KindOf(err) != calms.KindNotFound {
			t.Errorf("delete %s again: %v", path, err)
		}
	}
	for _, action := range []string{"org.create", "site.create", "device.create", "channel.create", "org.delete", "site.delete", "device.delete", "channel.delete"} {
		if b.audited(t, action) == 0 {
			t.Errorf("%s is not audited", action)
		}
	}
}

func (b *bench) delete(ctx context.Context, path calms.Path) error {
	return map[calms.Level]func(context.Context, calms.Path) error{
		calms.LevelOrganisation: b.DeleteOrg, calms.LevelSite: b.DeleteSite, calms.LevelDevice: b.DeleteDevice, calms.LevelChannel: b.DeleteChannel,
	}[path.Level()](ctx, path)
}

func TestAnEnrolledDeviceIsRevokedBeforeItIsDeleted(t *testing.T) {
	b := newBench(t)
	b.site(t)
	ticket, device := b.provision(t, "acme/ljubljana/comp-3")
	must[Enrolled](t)(b.Enroll(t.Context(), shown(ticket, request(t, newKey(t)))))
	err := b.DeleteDevice(t.Context(), "acme/ljubljana/comp-3")
	if calms.KindOf(err) != calms.KindConflict || calms.HintOf(err) != "calmsctl device revoke acme/ljubljana/comp-3" {
		t.Errorf("got %v, hint %q", err, calms.HintOf(err))
	}
	b.issuer.revoke(device.ID)
	if d := must[api.Device](t)(b.Device(t.Context(), "acme/ljubljana/comp-3")); d.State != api.DeviceRevoked {
		t.Errorf("the state is %q", d.State)
	}
	if _, err := b.Provision(t.Context(), "acme/ljubljana/comp-3", 0); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("provisioning what is revoked: %v", err)
	}
	declared := must[api.Channel](t)(b.CreateChannel(t.Context(), api.CreateRequest{Path: "acme/ljubljana/comp-3/leak"}))
	if err := b.DescribeChannel(t.Context(), calms.DeviceID(device.ID), "flow", "m³/h", ""); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteDevice(t.Context(), "acme/ljubljana/comp-3"); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("a device with a declared channel is deleted: %v", err)
	}
	if left := must[[]api.Channel](t)(b.Channels(t.Context(), "")); len(left) != 2 {
		t.Errorf("a refused deletion left %+v", left)
	}
	if err := b.DeleteChannel(t.Context(), calms.Path(declared.Path)); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteDevice(t.Context(), "acme/ljubljana/comp-3"); err != nil {
		t.Fatal(err)
	}
	if left := must[[]api.Channel](t)(b.Channels(t.Context(), "")); len(left) != 0 {
		t.Errorf("channels of a deleted device: %+v", left)
	}
	if _, next := b.provision(t, "acme/ljubljana/comp-3"); next.ID == device.ID {
		t.Error("the identity is used again")
	}
}

func TestChannelsThatDevicesDescribe(t *testing.T) {
	b := newBench(t)
	b.site(t)
	ctx := t.Context()
	id := calms.DeviceID(must[api.Device](t)(b.CreateDevice(ctx, "acme/ljubljana/comp-3")).ID)
	must[api.Channel](t)(b.CreateChannel(ctx, api.CreateRequest{Path: "acme/ljubljana/comp-3/flow", Description: "main line"}))
	for range 2 {
		for _, name := range []string{"flow", "power"} {
			if err := b.DescribeChannel(ctx, id, name, "kW", "by the device"); err != nil {
				t.Fatal(err)
			}
		}
	}
	flow := must[api.Channel](t)(b.Channel(ctx, "acme/ljubljana/comp-3/flow"))
	power := must[api.Channel](t)(b.Channel(ctx, "acme/ljubljana/comp-3/power"))
	if !flow.Declared || flow.Description != "main line" || flow.Unit != "kW" || power.Declared || power.Description != "by the device" {
		t.Errorf("flow %+v, power %+v", flow, power)
	}
	if n := b.audited(t, "channel.describe") + b.audited(t, "channel.create"); n != 3 {
		t.Errorf("%d changes audited, 3 were made", n)
	}
	if err := b.DescribeChannel(ctx, id, "power", "W", ""); err != nil {
		t.Fatal(err)
	}
	if power = must[api.Channel](t)(b.Channel(ctx, "acme/ljubljana/comp-3/power")); power.Unit != "W" {
		t.Errorf("the device's own description did not change: %+v", power)
	}
	for name, want := range map[string]calms.Kind{"a/b": calms.KindInvalid, "": calms.KindInvalid, "Flow": calms.KindInvalid} {
		if err := b.DescribeChannel(ctx, id, name, "", ""); calms.KindOf(err) != want {
			t.Errorf("channel %q: %v", name, err)
		}
	}
	if err := b.DescribeChannel(ctx, calms.NewDeviceID(), "flow", "", ""); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("an unknown device: %v", err)
	}
}

func TestSeenOnlyMovesForward(t *testing.T) {
	b := newBench(t)
	b.site(t)
	d := must[api.Device](t)(b.CreateDevice(t.Context(), "acme/ljubljana/comp-3"))
	late := time.Now().UTC()
	for _, when := range []time.Time{late.Add(-time.Hour), late, late.Add(-time.Minute)} {
		if err := b.Seen(t.Context(), calms.DeviceID(d.ID), when); err != nil {
			t.Fatal(err)
		}
	}
	if d = must[api.Device](t)(b.DeviceByID(t.Context(), calms.DeviceID(d.ID))); d.LastSeen == nil || !d.LastSeen.Equal(late) {
		t.Errorf("last seen %v", d.LastSeen)
	}
}

var errDown = errors.New("the authority is down")

// leaf is the certificate that an enrolment gave.
func leaf(t *testing.T, e Enrolled) *x509.Certificate {
	t.Helper()
	return must[[]*x509.Certificate](t)(certs.ParseDER(e.Chain))[0]
}
