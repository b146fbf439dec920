package fleet

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/wire"
)

// shown is the request that an edge makes of a ticket.
func shown(ticket wire.Ticket, csr []byte) api.EnrollRequest {
	return api.EnrollRequest{TicketID: ticket.ID, Secret: ticket.Secret[:], CSR: csr}
}

const comp3 = calms.Path("acme/ljubljana/comp-3")

func TestEnrolment(t *testing.T) {
	b := newBench(t)
	b.site(t)
	if _, err := b.Provision(t.Context(), "acme/nowhere/comp-3", 0); calms.KindOf(err) != calms.KindNotFound || calms.HintOf(err) != "calmsctl site create acme/nowhere" {
		t.Errorf("no such site: %v, hint %q", err, calms.HintOf(err))
	}
	ticket, device := b.provision(t, comp3)
	if ticket.CA != certs.FingerprintOf(b.issuer.ca.Certificate) || ticket.URL != "https://localhost:8443" || device.State != api.DeviceProvisioned {
		t.Errorf("ticket %v of %s, device %+v", ticket.CA, ticket.URL, device)
	}
	key := newKey(t)
	e := must[Enrolled](t)(b.Enroll(t.Context(), shown(ticket, request(t, key))))
	if id, err := certs.DeviceOf(leaf(t, e)); err != nil || string(id) != device.ID || !certs.SameKey(leaf(t, e).PublicKey, key.Public()) {
		t.Errorf("the certificate is of %s, %v", id, err)
	}
	if e.Device.State != api.DeviceEnrolled || e.Device.Shard != device.Shard || !strings.HasPrefix(e.Organisation, "o-") {
		t.Errorf("enrolled %+v of %q", e.Device, e.Organisation)
	}
	if len(b.log.facts) != 1 || b.log.facts[0].Kind != facts.TicketUsed || b.log.facts[0].Subject != ticket.ID {
		t.Errorf("the log outside has %+v", b.log.facts)
	}
	if b.audited(t, "device.provision") != 1 || b.audited(t, "device.enroll") != 1 {
		t.Error("not audited")
	}
}

func TestALostReplyStrandsNobody(t *testing.T) {
	b := newBench(t)
	b.site(t)
	ticket, _ := b.provision(t, comp3)
	key := newKey(t)
	for range 3 {
		e := must[Enrolled](t)(b.Enroll(t.Context(), shown(ticket, request(t, key))))
		if !certs.SameKey(leaf(t, e).PublicKey, key.Public()) || e.Organisation == "" {
			t.Errorf("got %+v", e)
		}
		b.pass(time.Hour) // past the ticket's expiry too
	}
	if b.audited(t, "device.enroll") != 1 || b.audited(t, "device.enroll-again") != 2 || len(b.alarms) != 0 {
		t.Errorf("audit or alarms %v are wrong", b.alarms)
	}
	b.pass(repeatable)
	if _, err := b.Enroll(t.Context(), shown(ticket, request(t, key))); calms.KindOf(err) != calms.KindConflict {
		t.Errorf("a day later: %v", err)
	}
}

func TestTicketsThatAreRefused(t *testing.T) {
	b := newBench(t)
	b.site(t)
	used, _ := b.provision(t, "acme/ljubljana/used")
	must[Enrolled](t)(b.Enroll(t.Context(), shown(used, request(t, newKey(t)))))
	replaced, _ := b.provision(t, "acme/ljubljana/replaced")
	b.provision(t, "acme/ljubljana/replaced")
	deleted, _ := b.provision(t, "acme/ljubljana/deleted")
	if err := b.DeleteDevice(t.Context(), "acme/ljubljana/deleted"); err != nil {
		t.Fatal(err)
	}
	shut, device := b.provision(t, "acme/ljubljana/revoked")
	b.issuer.revoke(device.ID)
	wrong, _ := b.provision(t, "acme/ljubljana/wrong")
	wrong.Secret[0] ^= 1
	fine, _ := b.provision(t, "acme/ljubljana/fine")
	late := must[api.Provisioned](t)(b.Provision(t.Context(), "acme/ljubljana/late", 1))
	expired := must[wire.Ticket](t)(wire.ParseTicket(late.Ticket))
	b.pass(time.Minute)

	request := request(t, newKey(t))
	forged := bytes.Clone(request)
	forged[len(forged)-1] ^= 1
	for name, c := range map[string]struct {
		ticket  wire.Ticket
		request []byte
		want    calms.Kind
	}{
		"used":     {used, request, calms.KindConflict},
		"replaced": {replaced, request, calms.KindForbidden},
		"deleted":  {deleted, request, calms.KindForbidden},
		"revoked":  {shut, request, calms.KindForbidden},
		"wrong":    {wrong, request, calms.KindUnauthenticated},
		"unknown":  {wire.Ticket{ID: "t-none"}, request, calms.KindUnauthenticated},
		"empty":    {wire.Ticket{}, request, calms.KindUnauthenticated},
		"expired":  {expired, request, calms.KindForbidden},
		"no proof": {fine, forged, calms.KindInvalid},
	} {
		_, err := b.Enroll(t.Context(), shown(c.ticket, c.request))
		if calms.KindOf(err) != c.want || c.want != calms.KindInvalid && calms.HintOf(err) == "" {
			t.Errorf("%s: %v (%s), want %s and a hint", name, err, calms.KindOf(err), c.want)
		}
	}
	if len(b.alarms) != 1 || b.alarms[0] != "ticket-misused" || b.audited(t, "ticket.misuse") != 1 {
		t.Errorf("alarms %v, %d misuses audited", b.alarms, b.audited(t, "ticket.misuse"))
	}
	must[Enrolled](t)(b.Enroll(t.Context(), shown(fine, request)))
}

func TestATicketOfAnotherDeviceStaysGood(t *testing.T) {
	b := newBench(t)
	b.site(t)
	ticket, device := b.provision(t, comp3)
	asked := shown(ticket, request(t, newKey(t)))
	asked.DeviceID = string(calms.NewDeviceID())
	if _, err := b.Enroll(t.Context(), asked); calms.KindOf(err) != calms.KindConflict || calms.HintOf(err) == "" {
		t.Errorf("a ticket of another device: %v", err)
	}
	if b.audited(t, "device.enroll") != 0 || len(b.log.facts) != 0 || len(b.alarms) != 0 {
		t.Errorf("it left traces: %+v, %v", b.log.facts, b.alarms)
	}
	asked = shown(ticket, request(t, newKey(t)))
	asked.DeviceID = device.ID
	must[Enrolled](t)(b.Enroll(t.Context(), asked))
}

func TestTicketLives(t *testing.T) {
	b := newBench(t)
	b.site(t)
	for seconds, want := range map[int]time.Duration{0: time.Hour, 60: time.Minute, 30 * 24 * 3600: 30 * 24 * time.Hour} {
		p := must[api.Provisioned](t)(b.Provision(t.Context(), comp3, seconds))
		if life := p.Expires.Sub(b.clock()); life > want || life < want-time.Minute {
			t.Errorf("%d seconds live %s", seconds, life)
		}
	}
	for _, seconds := range []int{-1, 30*24*3600 + 1, 1 << 62} {
		if _, err := b.Provision(t.Context(), comp3, seconds); calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%d seconds: %v", seconds, err)
		}
	}
}

func TestAFailedIssueDoesNotBurnTheTicket(t *testing.T) {
	b := newBench(t)
	b.site(t)
	ticket, _ := b.provision(t, comp3)
	b.issuer.fail = errDown
	if _, err := b.Enroll(t.Context(), shown(ticket, request(t, newKey(t)))); !errors.Is(err, errDown) {
		t.Fatal(err)
	}
	b.issuer.fail = nil
	must[Enrolled](t)(b.Enroll(t.Context(), shown(ticket, request(t, newKey(t)))))
}

func TestOneOfManyWinsATicket(t *testing.T) {
	b := newBench(t)
	b.site(t)
	for range 5 {
		ticket, device := b.provision(t, comp3)
		var won, lost atomic.Int32
		var wg sync.WaitGroup
		for range 6 {
			csr := request(t, newKey(t))
			wg.Go(func() {
				switch _, err := b.Enroll(t.Context(), shown(ticket, csr)); calms.KindOf(err) {
				case calms.KindConflict:
					lost.Add(1)
				default:
					if err != nil {
						t.Error(err)
					}
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 5 {
			t.Errorf("%d won, %d lost, device %s", won.Load(), lost.Load(), device.ID)
		}
	}
	if n := b.audited(t, "device.enroll"); n != 5 {
		t.Errorf("%d enrolments audited", n)
	}
}

func TestRequestsWithOneKeyThatRaceAllGetACertificate(t *testing.T) {
	b := newBench(t)
	b.site(t)
	ticket, _ := b.provision(t, comp3)
	csr := request(t, newKey(t))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if e, err := b.Enroll(t.Context(), shown(ticket, csr)); err != nil || e.Device.Path != string(comp3) || len(e.Chain) == 0 {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
	wg.Wait()
	if b.audited(t, "device.enroll") != 1 || len(b.alarms) != 0 {
		t.Errorf("%d enrolments, alarms %v", b.audited(t, "device.enroll"), b.alarms)
	}
}

func TestTheDatabaseHoldsNoTicket(t *testing.T) {
	b := newBench(t)
	b.site(t)
	ticket, _ := b.provision(t, comp3)
	b.Close()
	hash := sha256.Sum256(ticket.Secret[:])
	var found bool
	for _, file := range must[[]string](t)(filepath.Glob(filepath.Join(b.dir, "*"))) {
		content := must[[]byte](t)(os.ReadFile(file))
		found = found || bytes.Contains(content, hash[:])
		if bytes.Contains(content, ticket.Secret[:]) || bytes.Contains(content, []byte(ticket.String()[20:60])) {
			t.Errorf("%s holds the secret", file)
		}
	}
	if !found {
		t.Error("the hash is nowhere: the search finds nothing")
	}
}

// snapshot copies the directory and returns a bench over the copy, which shares
// the authority but has a log of its own.
func (b *bench) snapshot(t *testing.T) *bench {
	t.Helper()
	b.Close()
	dir := filepath.Join(t.TempDir(), "fleet")
	if err := os.CopyFS(dir, os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	return &bench{dir: dir, issuer: b.issuer, log: &ledger{}}
}

func (b *bench) restore(t *testing.T, from *bench) {
	t.Helper()
	b.open(t)
	t.Cleanup(func() { b.Close() })
	for range 2 {
		for _, f := range append(from.log.facts, facts.Fact{Kind: "from.a.newer.program"}) {
			if err := b.ApplyFact(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestBurntTicketsStayBurntAfterARestore(t *testing.T) {
	b := newBench(t)
	b.site(t)
	used, device := b.provision(t, comp3)
	voided, _ := b.provision(t, "acme/ljubljana/comp-4")
	old := b.snapshot(t)
	key := newKey(t)
	must[Enrolled](t)(b.Enroll(t.Context(), shown(used, request(t, key))))
	b.provision(t, "acme/ljubljana/comp-4")
	late, _ := b.provision(t, "acme/ljubljana/comp-5") // not in the snapshot
	must[Enrolled](t)(b.Enroll(t.Context(), shown(late, request(t, newKey(t)))))

	old.restore(t, b)
	if d := must[api.Device](t)(old.DeviceByID(t.Context(), calms.DeviceID(device.ID))); d.State != api.DeviceEnrolled {
		t.Errorf("a device whose ticket is burnt is %s", d.State)
	}
	thief := request(t, newKey(t))
	for name, c := range map[string]struct {
		ticket wire.Ticket
		want   calms.Kind
	}{"used": {used, calms.KindConflict}, "voided": {voided, calms.KindForbidden}, "late": {late, calms.KindUnauthenticated}} {
		if _, err := old.Enroll(t.Context(), shown(c.ticket, thief)); calms.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := old.Enroll(t.Context(), shown(used, request(t, key))); err != nil {
		t.Errorf("the reply got lost in the fire: %v", err)
	}
	if len(old.log.facts) != 0 {
		t.Errorf("facts went in a circle: %+v", old.log.facts)
	}
}
