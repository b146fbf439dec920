package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

const testKey = "right"

// operators knows one key, which may do everything at or below a path.
type operators struct{ prefix calms.Path }

func (o operators) Authenticate(_ context.Context, key string) (Operator, error) {
	if key != testKey {
		return Operator{}, calms.Errorf(calms.KindUnauthenticated, "who is this?").WithHint("log in")
	}
	op := Operator{Name: "test"}
	for _, a := range Actions() {
		op.Permissions = append(op.Permissions, calms.Permission{Action: a, Prefix: o.prefix})
	}
	return op, nil
}

// panicking stands for a service with a bug; every other service is nil, so that
// a request that reaches one panics too.
type panicking struct{ Alarms }

func (panicking) Active() []api.Alarm { panic("secret detail") }

func testOptions(t *testing.T) Options {
	return Options{Version: "1.2.3", Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func newTestDoor(t *testing.T, services Services) *httptest.Server {
	if services.Identity == nil {
		services.Identity = operators{}
	}
	if services.Fleet == nil {
		services.Fleet = noFleet{}
	}
	return serve(t, New(services, testOptions(t)))
}

func serve(t *testing.T, handler http.Handler) *httptest.Server {
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	return server
}

// noFleet has the fleet's methods to register, and panics when asked.
type noFleet struct{ Fleet }

func ask(t *testing.T, server *httptest.Server, method, path, key, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response, string(text)
}

func wantProblem(t *testing.T, response *http.Response, text string, status int, kind calms.Kind) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("%d is no problem document: %q", response.StatusCode, text)
	}
	if response.StatusCode != status || p.Status != status || p.Kind != kind || response.Header.Get("Content-Type") != problemType ||
		p.RequestID == "" || p.RequestID != response.Header.Get(api.RequestIDHeader) || p.Title == "" {
		t.Errorf("got %d %+v (%s), want %d %s", response.StatusCode, p, response.Header.Get("Content-Type"), status, kind)
	}
	return p
}

// publicRoutes are the only ones that answer without a credential.
var publicRoutes = map[string]bool{"version": true, "health": true, "enroll": true}

func TestEveryRouteAsksForCredentials(t *testing.T) {
	server := newTestDoor(t, Services{})
	response, text := ask(t, server, "GET", "/openapi.json", "", "")
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the document: %d %s", response.StatusCode, text)
	}
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1") || strings.Contains(text, "ErrorModel") {
		t.Errorf("the document is OpenAPI %s, or names huma's own errors", document.OpenAPI)
	}
	routes := 0
	for path, methods := range document.Paths {
		for method, operation := range methods {
			routes++
			if publicRoutes[operation.OperationID] {
				continue
			}
			path := strings.NewReplacer("{", "", "}", "").Replace(path)
			for _, key := range []string{"", "wrong"} {
				response, text := ask(t, server, strings.ToUpper(method), path, key, "not even JSON")
				p := wantProblem(t, response, text, http.StatusUnauthorized, calms.KindUnauthenticated)
				if p.Hint == "" {
					t.Errorf("%s %s: no hint", method, path)
				}
			}
		}
	}
	if routes < 30 {
		t.Errorf("the document has %d routes only", routes)
	}
}

func TestYAMLDocument(t *testing.T) {
	response, text := ask(t, newTestDoor(t, Services{}), "GET", "/openapi.yaml", "", "")
	if response.StatusCode != http.StatusOK || !strings.Contains(text, "openapi: 3.1") {
		t.Errorf("%d %.200s", response.StatusCode, text)
	}
}

func TestPermissions(t *testing.T) {
	server := newTestDoor(t, Services{Identity: operators{prefix: "acme"}})
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/status", ""},
		{"GET", "/v1/devices", ""},
		{"GET", "/v1/devices?prefix=acmes", ""},
		{"GET", "/v1/orgs/other", ""},
		{"POST", "/v1/orgs", `{"path":"other"}`},
		{"POST", "/v1/devices/other/site/dev/revoke", `{"reason":"stolen"}`},
		{"GET", "/v1/data/query?path=other/site/dev/flow", ""},
		{"GET", "/v1/data/export?path=", ""},
		{"GET", "/v1/data/tail?path=other", ""},
		{"POST", "/v1/backup/snapshots", ""},
	} {
		response, text := ask(t, server, c.method, c.path, testKey, c.body)
		wantProblem(t, response, text, http.StatusForbidden, calms.KindForbidden)
	}
}

func TestBadRequests(t *testing.T) {
	server := newTestDoor(t, Services{})
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/nothing", "", http.StatusNotFound, "/v1/nothing"},
		{"GET", "/v1/devices?prefix=Acme", "", http.StatusBadRequest, `"Acme"`},
		{"GET", "/v1/devices?colour=red", "", http.StatusUnprocessableEntity, "colour"},
		{"GET", "/v1/data/query?path=a/b/c", "", http.StatusBadRequest, "channel"},
		{"GET", "/v1/data/query?path=a/b/c/d&from=yesterday", "", http.StatusUnprocessableEntity, "from"},
		{"GET", "/v1/data/export?format=xml", "", http.StatusUnprocessableEntity, "format"},
		{"POST", "/v1/orgs", `{"path":"a/b"}`, http.StatusBadRequest, "organisation"},
		{"POST", "/v1/orgs", `{"name":"a"}`, http.StatusUnprocessableEntity, "path"},
		{"POST", "/v1/orgs", `{`, http.StatusBadRequest, ""},
	} {
		response, text := ask(t, server, c.method, c.path, testKey, c.body)
		kind := calms.KindInvalid
		if c.status == http.StatusNotFound {
			kind = calms.KindNotFound
		}
		if p := wantProblem(t, response, text, c.status, kind); !strings.Contains(p.Detail, c.says) || p.Hint == "" && c.status != http.StatusBadRequest {
			t.Errorf("%s %s says %q (%q), want %q in it", c.method, c.path, p.Detail, p.Hint, c.says)
		}
	}
}

func TestSecretsAreNotEchoed(t *testing.T) {
	response, text := ask(t, newTestDoor(t, Services{}), "POST", "/v1/edge/enroll", "", `{"ticketId":"x","secret":{"s3cret":1},"csr":""}`)
	if response.StatusCode < 400 || strings.Contains(text, "s3cret") {
		t.Errorf("%d %s", response.StatusCode, text)
	}
}

func TestBodyLimit(t *testing.T) {
	body := `{"path":"` + strings.Repeat("a", maxBody) + `"}`
	response, text := ask(t, newTestDoor(t, Services{}), "POST", "/v1/orgs", testKey, body)
	wantProblem(t, response, text, http.StatusRequestEntityTooLarge, calms.KindInvalid)
}

func TestPanicTellsNothing(t *testing.T) {
	response, text := ask(t, newTestDoor(t, Services{Alarms: panicking{}}), "GET", "/v1/alarms", testKey, "")
	wantProblem(t, response, text, http.StatusInternalServerError, calms.KindInternal)
	if strings.Contains(text, "secret detail") {
		t.Errorf("the answer tells the cause: %s", text)
	}
}

func TestHeaders(t *testing.T) {
	response, _ := ask(t, newTestDoor(t, Services{}), "GET", "/v1/version", "", "")
	for name, want := range map[string]string{
		api.VersionHeader:        "1.2.3",
		"X-Content-Type-Options": "nosniff",
		"Cache-Control":          "no-store",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestEnrolIsLimited(t *testing.T) {
	server := newTestDoor(t, Services{})
	for range 200 {
		response, text := ask(t, server, "POST", "/v1/edge/enroll", "", "{}")
		if response.StatusCode == http.StatusServiceUnavailable {
			wantProblem(t, response, text, http.StatusServiceUnavailable, calms.KindUnavailable)
			return
		}
	}
	t.Error("200 enrolments in a row were let through")
}

// fleetOf has one device, one channel of it, and nothing else.
type fleetOf struct{ Fleet }

const testDevice = calms.DeviceID("d-aaaaaaaaaaaaaaaa")

func (fleetOf) Devices(context.Context, calms.Path) ([]api.Device, error) {
	return []api.Device{{ID: string(testDevice), Path: "a/b/c"}}, nil
}

func (fleetOf) Device(_ context.Context, path calms.Path) (api.Device, error) {
	if path != "a/b/c" {
		return api.Device{}, calms.Errorf(calms.KindNotFound, "there is no device %s", path)
	}
	return api.Device{ID: string(testDevice), Path: "a/b/c"}, nil
}

func (fleetOf) Channel(_ context.Context, path calms.Path) (api.Channel, error) {
	return api.Channel{Path: string(path), Unit: "bar"}, nil
}

func TestLimiterRefills(t *testing.T) {
	l, now := newLimiter(2, 3), time.Unix(1000, 0)
	allowed := func(address string) (n int) {
		for l.allow(address, now) {
			n++
		}
		return n
	}
	if n := allowed("a"); n != 3 {
		t.Errorf("%d at once, want 3", n)
	}
	if n := allowed("b"); n != 3 {
		t.Errorf("another address got %d, want 3", n)
	}
	now = now.Add(time.Second)
	if n := allowed("a"); n != 2 {
		t.Errorf("%d after a second, want 2", n)
	}
	now = now.Add(-time.Hour) // a clock that is set back gives nothing
	if n := allowed("a"); n != 0 {
		t.Errorf("%d after the clock was set back", n)
	}
	for i := range 2 * maxBuckets {
		l.allow(strconv.Itoa(i), now)
	}
	if len(l.buckets) > maxBuckets {
		t.Errorf("%d addresses are remembered", len(l.buckets))
	}
}
