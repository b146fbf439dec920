package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func dial(t *testing.T, cloud *cloud, change func(*api.Config)) *api.Client {
	t.Helper()
	config := api.Config{URL: cloud.url, CA: cloud.authority.rootPEM, Key: "operator-key", Version: "v1"}
	if change != nil {
		change(&config)
	}
	client, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestCallSendsKeyAndReadsAnswer(t *testing.T) {
	cloud := serve(t, newAuthority(t, "root"), func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.Path != "/v1/devices/a/b/c/provision" || r.Header.Get("Authorization") != "Bearer operator-key" || string(body) != `{"ttlSeconds":60}` {
			t.Errorf("the server got %s %s %q with %s", r.Method, r.URL, r.Header, body)
		}
		w.Header().Set(api.VersionHeader, "v2")
		_ = json.NewEncoder(w).Encode(api.Provisioned{Ticket: "t"})
	})
	var skews []string
	client := dial(t, cloud, func(c *api.Config) { c.OnSkew = func(v string) { skews = append(skews, v) } })
	for range 2 {
		got, err := client.ProvisionDevice(t.Context(), "a/b/c", api.ProvisionRequest{TTLSeconds: 60})
		if err != nil || got.Ticket != "t" {
			t.Fatalf("ProvisionDevice = %+v, %v", got, err)
		}
	}
	if !slices.Equal(skews, []string{"v2"}) {
		t.Errorf("version skew was told as %q, want once v2", skews)
	}
}

func TestProblemBecomesError(t *testing.T) {
	cloud := serve(t, newAuthority(t, "root"), func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/orgs/known":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"title":"Not Found","status":404,"detail":"no organisation known","kind":"not-found","hint":"calmsctl org list","requestId":"r-1"}`)
		case "/v1/orgs/moved":
			http.Redirect(w, r, "/v1/orgs/known", http.StatusFound)
		default:
			w.Header().Set(api.RequestIDHeader, "r-2")
			http.Error(w, "<html>", http.StatusBadGateway)
		}
	})
	client := dial(t, cloud, nil)
	_, err := client.GetOrg(t.Context(), "known")
	problem, ok := errors.AsType[*api.Problem](err)
	if !ok || problem.RequestID != "r-1" || err.Error() != "no organisation known" || calms.KindOf(err) != calms.KindNotFound || calms.HintOf(err) != "calmsctl org list" {
		t.Errorf("a problem document became %#v", err)
	}
	_, err = client.GetOrg(t.Context(), "proxy")
	problem, ok = errors.AsType[*api.Problem](err)
	if !ok || problem.RequestID != "r-2" || calms.KindOf(err) != calms.KindUnavailable {
		t.Errorf("a proxy's page became %#v", err)
	}
	if _, err = client.GetOrg(t.Context(), "moved"); err == nil || !strings.Contains(err.Error(), "302") || calms.HintOf(err) == "" {
		t.Errorf("a redirect became %v: it must not be followed", err)
	}
}

// TestNamesStayInTheirPlace: what a user typed reaches no other route.
func TestNamesStayInTheirPlace(t *testing.T) {
	var asked atomic.Pointer[string]
	cloud := serve(t, newAuthority(t, "root"), func(w http.ResponseWriter, r *http.Request) {
		asked.Store(&r.RequestURI)
		_, _ = io.WriteString(w, "{}")
	})
	client := dial(t, cloud, func(c *api.Config) { c.URL += "/base/" })
	for id, want := range map[string]string{
		"../../etc/passwd": "/base/v1/backup/snapshots/..%2F..%2Fetc%2Fpasswd",
		"a?b#c d%2F":       "/base/v1/backup/snapshots/a%3Fb%23c%20d%252F",
		"20260801T120000Z": "/base/v1/backup/snapshots/20260801T120000Z",
	} {
		if _, err := client.GetSnapshot(t.Context(), id); err != nil || *asked.Load() != want {
			t.Errorf("GetSnapshot(%q) asked for %s, %v, want %s", id, *asked.Load(), err, want)
		}
	}
	if _, err := client.GetDevice(t.Context(), "a/b?x/c"); err != nil || *asked.Load() != "/base/v1/devices/a/b%3Fx/c" {
		t.Errorf("GetDevice asked for %s, %v", *asked.Load(), err)
	}
	asked.Store(nil)
	for _, id := range []string{"", ".", ".."} {
		if _, err := client.GetSnapshot(t.Context(), id); calms.KindOf(err) != calms.KindInvalid || asked.Load() != nil {
			t.Errorf("GetSnapshot(%q) = %v", id, err)
		}
	}
}

// TestRecoveryModeIsTold: the certificate of a daemon in recovery mode is refused
// like any other, with the way out.
func TestRecoveryModeIsTold(t *testing.T) {
	cloud := serve(t, newAuthority(t, "root"), func(http.ResponseWriter, *http.Request) { t.Error("the request was sent") }, "recovery")
	client := dial(t, cloud, func(c *api.Config) { c.CA = newAuthority(t, "cloud").rootPEM })
	_, err := client.Status(t.Context())
	if calms.KindOf(err) != calms.KindUnavailable || !strings.Contains(err.Error(), "in recovery mode") || !strings.HasPrefix(calms.HintOf(err), "calmsctl restore") {
		t.Errorf("Status = %v (%s)", err, calms.KindOf(err))
	}
}

func TestTransportFailures(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	cloud := serve(t, newAuthority(t, "root"), func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		select {
		case <-block:
		case <-r.Context().Done():
		}
	})
	check := func(name string, err error, kind calms.Kind, text string) {
		t.Helper()
		if calms.KindOf(err) != kind || err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "operator-key") {
			t.Errorf("%s: %v (%s), want %s with %q", name, err, calms.KindOf(err), kind, text)
		}
		if kind != calms.KindInterrupted && calms.HintOf(err) == "" {
			t.Errorf("%s: no hint", name)
		}
	}
	slow := dial(t, cloud, func(c *api.Config) { c.Timeout = 300 * time.Millisecond })
	_, err := slow.Status(t.Context())
	check("slow server", err, calms.KindTimeout, "no answer")

	stopped, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err = dial(t, cloud, nil).Status(stopped)
	check("stopped by the caller", err, calms.KindInterrupted, "interrupted")

	foreign := dial(t, cloud, func(c *api.Config) { c.CA = newAuthority(t, "other").rootPEM })
	_, err = foreign.Status(t.Context())
	check("foreign root", err, calms.KindUnreachable, "not the cloud")

	gone := dial(t, cloud, func(c *api.Config) { c.URL = "https://127.0.0.1:1" })
	_, err = gone.Status(t.Context())
	check("nobody listens", err, calms.KindUnreachable, "cannot reach")

	for _, wrong := range []api.Config{{URL: "http://x", CA: cloud.authority.rootPEM}, {URL: cloud.url}, {URL: "https://u:p@x", CA: cloud.authority.rootPEM}} {
		if _, err := api.NewClient(wrong); calms.KindOf(err) != calms.KindInvalid || err == nil {
			t.Errorf("NewClient(%q) = %v", wrong.URL, err)
		}
	}
}

func TestStreams(t *testing.T) {
	cloud := serve(t, newAuthority(t, "root"), func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.RawQuery; r.URL.Path == "/v1/data/export" && got != "format=jsonl&from=2026-08-01T10%3A00%3A00.000000001Z&path=acme" {
			t.Errorf("query is %s", got)
		}
		_, _ = io.WriteString(w, `{"channel":"acme/a/b/c","time":"2026-08-01T10:00:00Z","value":1.5,"quality":"good"}`+"\n"+
			`{"channel":"acme/a/b/c","time":"2026-08-01T10:00:01Z","value":null,"quality":"bad"}`+"\n")
		if r.URL.Path == "/v1/data/tail" {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler) // how a server says that a stream is not whole
		}
	})
	client := dial(t, cloud, nil)
	var got []api.Sample
	take := func(s api.Sample) error { got = append(got, s); return nil }
	from := time.Date(2026, 8, 1, 12, 0, 0, 1, time.FixedZone("", 7200))
	if err := client.Export(t.Context(), api.Query{Path: "acme", From: from, Limit: 5}, take); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || *got[0].Value != 1.5 || got[1].Value != nil {
		t.Errorf("exported %+v", got)
	}
	if err := client.Tail(t.Context(), "acme", take); calms.KindOf(err) != calms.KindUnreachable {
		t.Errorf("a stream that broke off ended with %v", err)
	}
	enough := errors.New("enough")
	if err := client.Export(t.Context(), api.Query{Path: "acme", From: from, Limit: 5}, func(api.Sample) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the callback's error became %v", err)
	}
}

func TestEnrollPinsTheRoot(t *testing.T) {
	var requests atomic.Int32
	cloud := serve(t, newAuthority(t, "root"), func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_ = json.NewEncoder(w).Encode(api.Enrollment{DeviceID: "d-x", Links: api.Links{Broker: "b:8883"}})
	})
	got, err := api.Enroll(t.Context(), cloud.url, cloud.authority.fingerprint(), api.EnrollRequest{Secret: []byte("s")})
	if err != nil || got.DeviceID != "d-x" || got.Broker != "b:8883" {
		t.Fatalf("Enroll = %+v, %v", got, err)
	}
	_, err = api.Enroll(t.Context(), cloud.url, newAuthority(t, "root").fingerprint(), api.EnrollRequest{Secret: []byte("s")})
	if err == nil || !strings.Contains(err.Error(), "this ticket is of another cloud") || calms.HintOf(err) == "" {
		t.Errorf("another cloud's ticket: %v", err)
	}
	// A server that merely sends the right root, but whose own certificate is
	// of another authority, is an impostor.
	impostor := newAuthority(t, "root")
	impostor.extra = cloud.authority.root.Raw
	fake := serve(t, impostor, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	if _, err = api.Enroll(t.Context(), fake.url, cloud.authority.fingerprint(), api.EnrollRequest{Secret: []byte("s")}); calms.KindOf(err) != calms.KindUnreachable {
		t.Errorf("an impostor: %v", err)
	}
	if requests.Load() != 1 {
		t.Errorf("the ticket was sent %d times, want 1", requests.Load())
	}
}

func TestRecoveryPinsTheCertificate(t *testing.T) {
	cloud := serve(t, newAuthority(t, "root"), func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Recovery{State: "waiting"})
	})
	pinned := func(pin [32]byte) *api.Client {
		return dial(t, cloud, func(c *api.Config) { c.CA, c.Pin = nil, &pin })
	}
	if got, err := pinned(cloud.leafFingerprint()).Recovery(t.Context()); err != nil || got.State != "waiting" {
		t.Errorf("Recovery = %+v, %v", got, err)
	}
	if _, err := pinned([32]byte{1}).Recovery(t.Context()); err == nil || !strings.Contains(err.Error(), "not the one of the recovery file") {
		t.Errorf("another certificate: %v", err)
	}
}
