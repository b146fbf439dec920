package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/template"
	"time"

	"go.calms.com/calms/pkg/api"
)

const (
	operatorKey    = "test-operator-key"
	recoverySecret = "test-recovery-secret"
)

// cannedCloud answers GET /v1/orgs from the file GET_v1_orgs.json, which lies in
// the script's own folder api, or in testdata/api. A file holds one answer, or
// several between lines of "---": the nth request gets the nth, the last one
// stays. An answer with a kind and a status is a problem. Answers are templates,
// with {{ago "90s"}} for times; a last line of "!abort" cuts the connection,
// one of "!hang" keeps it open.
type cannedCloud struct {
	*httptest.Server
	work    string
	wrapped []byte

	mu    sync.Mutex
	asked map[string]int // guarded by mu: requests by file
}

func newCannedCloud(work string, wrapped []byte) *cannedCloud {
	c := &cannedCloud{work: work, wrapped: wrapped, asked: map[string]int{}}
	c.Server = httptest.NewUnstartedServer(c)
	c.Server.EnableHTTP2 = true
	c.Server.StartTLS()
	return c
}

func (c *cannedCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.log(r, body)
	w.Header().Set(api.VersionHeader, c.version())
	w.Header().Set(api.RequestIDHeader, "req-1")
	want := "Bearer " + operatorKey
	if strings.HasPrefix(r.URL.Path, "/v1/recovery") {
		want = "Bearer " + recoverySecret
	}
	if r.Header.Get("Authorization") != want && r.URL.Path != "/v1/version" {
		answer(w, r, []byte(`{"title":"Unauthorized","status":401,"kind":"unauthenticated","detail":"this key is not known"}`))
		return
	}
	text, err := c.canned(r)
	switch {
	case err == nil:
		answer(w, r, text)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, r, fmt.Appendf(nil, `{"title":"Not Found","status":404,"kind":"not-found","detail":"there is nothing at %s"}`, r.URL.Path))
	}
}

// version is the program's own, unless the script says otherwise.
func (c *cannedCloud) version() string {
	other, err := os.ReadFile(filepath.Join(c.work, "api", "version"))
	if err != nil {
		return "v1.2.3"
	}
	return strings.TrimSpace(string(other))
}

// answer sends a text as what it is: a problem, lines of JSON, or JSON.
func answer(w http.ResponseWriter, r *http.Request, text []byte) {
	var problem api.Problem
	media, status := "application/json", http.StatusOK
	switch {
	case json.Unmarshal(text, &problem) == nil && problem.Status != 0 && problem.Kind != "":
		media, status = "application/problem+json", problem.Status
	case !json.Valid(text):
		media = "application/jsonl"
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	text, hang := bytes.CutSuffix(text, []byte("!hang\n"))
	text, abort := bytes.CutSuffix(text, []byte("!abort\n"))
	_, _ = w.Write(text)
	if hang {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	if abort {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func (c *cannedCloud) canned(r *http.Request) ([]byte, error) {
	name := r.Method + strings.ReplaceAll(r.URL.Path, "/", "_") + ".json"
	path := filepath.Join(c.work, "api", name)
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join("testdata", "api", name)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	answers := bytes.Split(text, []byte("---\n"))
	c.mu.Lock()
	n := min(c.asked[path], len(answers)-1)
	c.asked[path]++
	c.mu.Unlock()
	return c.expand(answers[n])
}

func (c *cannedCloud) expand(text []byte) ([]byte, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"ago": func(d string) (string, error) {
			length, err := time.ParseDuration(d)
			return time.Now().Add(-length).UTC().Format(time.RFC3339), err
		},
		"wrapped": func() string { return base64.StdEncoding.EncodeToString(c.wrapped) },
	}).Parse(string(text))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, nil)
	return out.Bytes(), err
}

// log lets scripts see what was asked.
func (c *cannedCloud) log(r *http.Request, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(c.work, "requests.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return // the script will miss it
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %s %s\n", r.Method, r.URL.RequestURI(), body)
}
