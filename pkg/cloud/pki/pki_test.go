package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// ledger is the log outside the machine; down, it refuses.
type ledger struct {
	facts []facts.Fact
	down  bool
}

func (l *ledger) Append(_ context.Context, kind, subject string, at time.Time, detail map[string]string) error {
	if l.down {
		return errors.New("the repository is away")
	}
	l.facts = append(l.facts, facts.Fact{Kind: kind, Subject: subject, At: at, Detail: detail})
	return nil
}

type bench struct {
	*Service
	dir   string
	clock *clock
	log   *ledger
}

func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{dir: filepath.Join(t.TempDir(), "pki"), clock: &clock{now: time.Now()}, log: &ledger{}}
	b.open(t, change...)
	t.Cleanup(func() { b.Close() })
	return b
}

func (b *bench) open(t *testing.T, change ...func(*Options)) {
	t.Helper()
	options := Options{Algorithm: certs.P256, Facts: b.log, Now: b.clock.Now}
	for _, f := range change {
		f(&options)
	}
	var err error
	if b.Service, err = Open(t.Context(), b.dir, options); err != nil {
		t.Fatal(err)
	}
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

func request(t *testing.T) []byte {
	t.Helper()
	der, err := certs.NewRequest(newKey(t), "x")
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := certs.NewKey(certs.P256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// parse is for results of Issue and Renew.
func parse(t *testing.T) func([][]byte, error) []*x509.Certificate {
	return func(raw [][]byte, err error) []*x509.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		chain, err := certs.ParseDER(raw)
		if err != nil {
			t.Fatal(err)
		}
		return chain
	}
}

func (b *bench) device(t *testing.T) (calms.DeviceID, []*x509.Certificate) {
	t.Helper()
	id := calms.NewDeviceID()
	return id, parse(t)(b.IssueDevice(t.Context(), id, request(t)))
}

func TestRenewal(t *testing.T) {
	b, foreign := newBench(t), newBench(t)
	service, err := b.ServiceCertificate(t.Context(), "broker", []string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	revoked, ofRevoked := b.device(t)
	if _, err := b.Revoke(t.Context(), revoked, "stolen"); err != nil {
		t.Fatal(err)
	}
	_, ofForeign := foreign.device(t)
	_, chain := b.device(t)
	forged := slices.Clone(request(t))
	forged[len(forged)-1] ^= 1
	for name, c := range map[string]struct {
		chain   []*x509.Certificate
		after   time.Duration // past the end of the certificate's life
		request []byte
		want    calms.Kind
	}{
		"in time":           {chain, -8 * time.Hour, request(t), ""},
		"a day late":        {chain, day, request(t), ""},
		"399 days late":     {chain, 399 * day, request(t), ""},
		"401 days late":     {chain, 401 * day, request(t), calms.KindForbidden},
		"revoked":           {ofRevoked, -8 * time.Hour, request(t), calms.KindForbidden},
		"revoked and late":  {ofRevoked, day, request(t), calms.KindForbidden},
		"foreign cloud":     {ofForeign, 0, request(t), calms.KindUnauthenticated},
		"foreign, our root": {[]*x509.Certificate{ofForeign[0], chain[1], chain[2]}, 0, request(t), calms.KindUnauthenticated},
		"service":           {parse(t)(service.Certificate, nil), 0, request(t), calms.KindUnauthenticated},
		"authority":         {chain[1:], 0, request(t), calms.KindUnauthenticated},
		"no certificate":    {nil, 0, request(t), calms.KindUnauthenticated},
		"no proof of key":   {chain, 0, forged, calms.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			begun := b.clock.Now()
			b.clock.add(day + c.after)
			defer b.clock.add(begun.Sub(b.clock.Now()))
			renewed, err := b.Renew(t.Context(), c.chain, c.request)
			if c.want != "" {
				if calms.KindOf(err) != c.want || renewed != nil {
					t.Errorf("got %v, want kind %s", err, c.want)
				}
				return
			}
			got := parse(t)(renewed, err)[0]
			if got.Subject.CommonName != c.chain[0].Subject.CommonName || !got.NotAfter.After(b.clock.Now().Add(day-time.Minute)) {
				t.Errorf("got %s until %s", got.Subject, got.NotAfter)
			}
		})
	}
	if n := b.audited(t, "certificate.renew"); n != 3 {
		t.Errorf("%d renewals audited", n)
	}
}

func TestRenewalPastExpiryCanBeShut(t *testing.T) {
	shut := calms.Errorf(calms.KindUnavailable, "the log of revocations is not complete yet")
	b := newBench(t, func(o *Options) { o.PastExpiry = func(context.Context) error { return shut } })
	_, chain := b.device(t)
	if _, err := b.Renew(t.Context(), chain, request(t)); err != nil {
		t.Errorf("in time: %v", err)
	}
	b.clock.add(2 * day)
	if _, err := b.Renew(t.Context(), chain, request(t)); !errors.Is(err, shut) {
		t.Errorf("past expiry: %v", err)
	}
}

func TestRenewalIsLimitedPerDeviceAndAfterARestart(t *testing.T) {
	b := newBench(t)
	_, chain := b.device(t)
	_, other := b.device(t)
	var wg sync.WaitGroup
	for range 2 * renewalsPerLife {
		wg.Go(func() { b.Renew(t.Context(), chain, request(t)) })
	}
	wg.Wait()
	b.Close()
	b.open(t)
	if _, err := b.Renew(t.Context(), chain, request(t)); calms.KindOf(err) != calms.KindUnavailable {
		t.Errorf("one more: %v", err)
	}
	if n := b.audited(t, "certificate.renew"); n != renewalsPerLife-1 {
		t.Errorf("%d renewals in one life", n)
	}
	if _, err := b.Renew(t.Context(), other, request(t)); err != nil {
		t.Errorf("another device: %v", err)
	}
	b.clock.add(day + time.Hour)
	if _, err := b.Renew(t.Context(), chain, request(t)); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

func TestRevocationHoldsAtOnceAndIsCompleteLater(t *testing.T) {
	var cut []calms.DeviceID
	b := newBench(t, func(o *Options) { o.OnRevoke = func(id calms.DeviceID) { cut = append(cut, id) } })
	id, chain := b.device(t)
	b.log.down = true
	if r, err := b.Revoke(t.Context(), id, "stolen"); err != nil || r.Complete {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := b.Verify(chain); calms.KindOf(err) != calms.KindForbidden || !b.Revoked(id) || len(cut) != 1 {
		t.Errorf("not in force: %v, cut %v", err, cut)
	}
	b.Close()
	b.open(t)
	if !b.Revoked(id) {
		t.Error("forgotten by a restart")
	}
	if err := b.Flush(t.Context()); calms.KindOf(err) != calms.KindPending {
		t.Errorf("flush: %v", err)
	}
	b.log.down = false
	if r, err := b.Revoke(t.Context(), id, "again"); err != nil || !r.Complete {
		t.Errorf("%+v, %v", r, err)
	}
	if len(b.log.facts) != 1 || b.log.facts[0].Subject != string(id) || b.log.facts[0].Detail["reason"] != "stolen" {
		t.Errorf("the log has %+v", b.log.facts)
	}
	if _, err := b.IssueDevice(t.Context(), id, request(t)); calms.KindOf(err) != calms.KindForbidden {
		t.Errorf("issue: %v", err)
	}
	if n := b.audited(t, "device.revoke"); n != 1 {
		t.Errorf("%d revocations audited", n)
	}
}

// A restore is an old copy of the directory, to which the log is applied.
func TestRestoredCloudRefusesTheRevokedAndKnowsTheForgotten(t *testing.T) {
	b := newBench(t)
	stolen, ofStolen := b.device(t)
	snapshot := filepath.Join(t.TempDir(), "pki")
	b.Close()
	if err := os.CopyFS(snapshot, os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	if _, err := b.Revoke(t.Context(), stolen, "stolen"); err != nil {
		t.Fatal(err)
	}
	late, ofLate := b.device(t)

	r := &bench{dir: snapshot, clock: b.clock, log: &ledger{}}
	r.open(t)
	defer r.Close()
	if _, err := r.Verify(ofStolen); err != nil {
		t.Fatalf("the snapshot knows the revocation already: %v", err)
	}
	for range 2 {
		for _, f := range append(b.log.facts, facts.Fact{Kind: "from.a.newer.program", Subject: "x"}) {
			if err := r.ApplyFact(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := r.Renew(t.Context(), ofStolen, request(t)); calms.KindOf(err) != calms.KindForbidden {
		t.Errorf("the stolen device renews: %v", err)
	}
	for range 3 {
		if id, err := r.Admit(t.Context(), ofLate); err != nil || id != late {
			t.Errorf("the device of after the snapshot: %q, %v", id, err)
		}
	}
	if n := r.audited(t, "certificate.unknown"); n != 1 {
		t.Errorf("flagged %d times", n)
	}
	if list, err := r.IssuedTo(t.Context(), string(late)); err != nil || len(list) != 1 || !list[0].Unknown {
		t.Errorf("the log has %+v, %v", list, err)
	}
	if err := r.Flush(t.Context()); err != nil || len(r.log.facts) != 0 {
		t.Errorf("facts went in a circle: %v, %+v", err, r.log.facts)
	}
}

func TestTheLogOfCertificates(t *testing.T) {
	b := newBench(t)
	id, chain := b.device(t)
	b.clock.add(time.Hour)
	newer := parse(t)(b.Renew(t.Context(), chain, request(t)))
	list, err := b.IssuedTo(t.Context(), string(id))
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	key, err := certs.KeyFingerprint(newer[0].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if list[0].Serial != newer[0].SerialNumber.Text(16) || list[0].Superseded || !list[1].Superseded || list[0].KeyFingerprint != key.String() {
		t.Errorf("the log has %+v", list)
	}
	if _, err := b.Admit(t.Context(), chain); err != nil {
		t.Errorf("a superseded certificate, whose successor may have got lost: %v", err)
	}
}

func TestServicesAndDevicesDoNotMix(t *testing.T) {
	b := newBench(t)
	_, device := b.device(t)
	service, err := b.ServiceCertificate(t.Context(), "x", []string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	chain := parse(t)(service.Certificate, nil)
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: b.Pool(Devices), Intermediates: certs.Pool(chain[1:]...), KeyUsages: usage, CurrentTime: b.clock.Now()}); err == nil {
		t.Error("a service passes where devices are expected")
	}
	if _, err := device[0].Verify(x509.VerifyOptions{Roots: b.Pool(Root), Intermediates: certs.Pool(device[1:]...), CurrentTime: b.clock.Now()}); err == nil {
		t.Error("a device passes as a server")
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: b.Pool(Root), Intermediates: certs.Pool(chain[1:]...), DNSName: "localhost", CurrentTime: b.clock.Now()}); err != nil {
		t.Errorf("a service does not pass as a server: %v", err)
	}
}
