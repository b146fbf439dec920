package fleet

import (
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func TestRegistrationsAreRecognisedAfterARestart(t *testing.T) {
	b, other := newBench(t), newBench(t)
	text := []byte("a registration")
	sig := b.Sign(text)
	b.Close()
	b.open(t)
	if !b.Verify(text, sig) || b.Verify([]byte("another"), sig) || b.Verify(text, sig[:10]) || b.Verify(text, nil) || other.Verify(text, sig) {
		t.Error("signatures are not told apart")
	}
}

// enrolled provisions and enrols a device, and returns its registration.
func (b *bench) enrolled(t *testing.T, path calms.Path) registration {
	t.Helper()
	ticket, device := b.provision(t, path)
	e := must[Enrolled](t)(b.Enroll(t.Context(), shown(ticket, request(t, newKey(t)))))
	return registration{calms.DeviceID(device.ID), e.Organisation, calms.Path(device.Path), device.Shard, *e.Device.Enrolled}
}

func (b *bench) readopt(t *testing.T, r registration) (api.Device, error) {
	t.Helper()
	return b.Adopt(t.Context(), r.id, r.org, r.path, r.shard, r.issued)
}

func TestADeviceOfAfterTheSnapshotComesBack(t *testing.T) {
	b := newBench(t)
	b.site(t)
	ticket, known := b.provision(t, "acme/ljubljana/known") // enrolled later
	old := b.snapshot(t)
	must[Enrolled](t)(b.Enroll(t.Context(), shown(ticket, request(t, newKey(t)))))
	here := b.enrolled(t, comp3)
	must[api.Site](t)(b.CreateSite(t.Context(), "acme/maribor"))
	far := b.enrolled(t, "acme/maribor/comp-1")
	must[api.Org](t)(b.CreateOrg(t.Context(), "beta"))
	must[api.Site](t)(b.CreateSite(t.Context(), "beta/graz"))
	foreign := b.enrolled(t, "beta/graz/comp-1")
	if d, err := b.readopt(t, here); err != nil || d.ID != string(here.id) || b.audited(t, "device.adopt") != 0 {
		t.Errorf("what is known is adopted: %+v, %v", d, err)
	}

	old.restore(t, b)
	for _, r := range []registration{here, far, foreign} {
		for range 2 {
			d, err := old.readopt(t, r)
			if err != nil || d.ID != string(r.id) || d.Path != string(r.path) || d.Shard != r.shard || d.State != api.DeviceEnrolled || !d.Enrolled.Equal(r.issued) {
				t.Errorf("%s came back as %+v, %v", r.path, d, err)
			}
		}
	}
	if n := old.audited(t, "device.adopt"); n != 3 {
		t.Errorf("%d adoptions audited", n)
	}
	if org := must[api.Org](t)(old.Org(t.Context(), "beta")); org.ID != foreign.org {
		t.Errorf("the organisation has another id: %q, not %q", org.ID, foreign.org)
	}
	if d := must[api.Device](t)(old.Device(t.Context(), "acme/ljubljana/known")); d.ID != known.ID || d.State != api.DeviceEnrolled {
		t.Errorf("the device that was provisioned at the snapshot is %+v", d)
	}
}

func TestAProvisionedDeviceIsEnrolledByItsRegistration(t *testing.T) {
	b := newBench(t)
	b.site(t)
	_, device := b.provision(t, comp3)
	org := must[api.Org](t)(b.Org(t.Context(), "acme"))
	d, err := b.readopt(t, registration{calms.DeviceID(device.ID), org.ID, comp3, device.Shard, time.Now()})
	if err != nil || d.State != api.DeviceEnrolled || d.Path != string(comp3) {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestNamesakesStandBesideEachOther(t *testing.T) {
	b := newBench(t)
	b.site(t)
	org := must[api.Org](t)(b.Org(t.Context(), "acme"))
	must[api.Device](t)(b.CreateDevice(t.Context(), comp3))
	adopt := func(org string, path calms.Path) string {
		t.Helper()
		return must[api.Device](t)(b.readopt(t, registration{calms.NewDeviceID(), org, path, 7, time.Now()})).Path
	}
	if got := adopt(org.ID, comp3); got != "acme/ljubljana/comp-3-2" {
		t.Errorf("a device became %q", got)
	}
	if got := adopt(org.ID, comp3); got != "acme/ljubljana/comp-3-3" {
		t.Errorf("a third became %q", got)
	}
	// Another customer that happens to have the name must not land in this one.
	if got := adopt("o-other", comp3); got != "acme-2/ljubljana/comp-3" {
		t.Errorf("another organisation's became %q", got)
	}
	long := calms.Path("acme/ljubljana/" + strings.Repeat("x", calms.MaxSegment))
	adopt(org.ID, long)
	if got := adopt(org.ID, long); len(calms.Path(got).Base()) != calms.MaxSegment || !strings.HasSuffix(got, "x-2") {
		t.Errorf("a long name became %q", got)
	}
}

func TestAdoptionsThatAreRefused(t *testing.T) {
	b := newBench(t)
	b.site(t)
	org := must[api.Org](t)(b.Org(t.Context(), "acme"))
	revoked := calms.NewDeviceID()
	b.issuer.revoke(string(revoked))
	_, gone := b.provision(t, comp3)
	if err := b.DeleteDevice(t.Context(), comp3); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r    registration
		want calms.Kind
	}{
		"revoked":  {registration{revoked, org.ID, comp3, 1, time.Now()}, calms.KindForbidden},
		"deleted":  {registration{calms.DeviceID(gone.ID), org.ID, comp3, 1, time.Now()}, calms.KindForbidden},
		"no id":    {registration{"x", org.ID, comp3, 1, time.Now()}, calms.KindInvalid},
		"no path":  {registration{calms.NewDeviceID(), org.ID, "acme", 1, time.Now()}, calms.KindInvalid},
		"no org":   {registration{calms.NewDeviceID(), "", comp3, 1, time.Now()}, calms.KindInvalid},
		"no shard": {registration{calms.NewDeviceID(), org.ID, comp3, shards, time.Now()}, calms.KindInvalid},
	} {
		if d, err := b.readopt(t, c.r); calms.KindOf(err) != c.want || d.ID != "" {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	if list, err := b.Devices(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("devices %v, %v", list, err)
	}
}
