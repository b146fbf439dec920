package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// The control socket is HTTP on a unix socket that only the edge's own user can
// open: GET /v1/status, POST /v1/imports.
func controlSocket(data string) string { return filepath.Join(data, "run", "control.sock") }

// maxSocketPath is what the kernel takes (sun_path of unix(7)).
const maxSocketPath = 107

func (e *edge) runControl(ctx context.Context, report func(error)) error {
	listener, err := listenControl(controlSocket(e.data))
	if err != nil {
		return calms.Wrap("open control socket", err)
	}
	server := &http.Server{Handler: e.controlHandler(), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	report(nil)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return errors.Join(server.Close(), ctx.Err())
	}
}

// listenControl takes the place of a socket that a killed process left; the
// directory's lock says that nobody uses it.
func listenControl(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, calms.Errorf(calms.KindInvalid, "the path %s is longer than the %d bytes that a socket's may have", path, maxSocketPath).
			WithHint("use a shorter data directory: --data DIR")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	// The directory is ours alone, so nobody can connect before this.
	return listener, os.Chmod(path, 0o600)
}

func (e *edge) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(e.status(r.Context())) // an error is the reader's
	})
	mux.HandleFunc("POST /v1/imports", func(w http.ResponseWriter, _ *http.Request) {
		if err := e.keeper.imports.reload(); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		e.hangUp() // the next hello names what was brought in
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

const (
	controlTimeout = 10 * time.Second
	controlLimit   = 4 << 20 // bytes of an answer
)

// askControl asks the edge that runs on a data directory. Where none does the
// error is [calms.KindUnreachable].
func askControl(ctx context.Context, data, method, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", controlSocket(data))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, method, "http://edge"+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return notRunning(data, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, controlLimit))
	if err != nil || response.StatusCode >= 300 {
		return calms.Errorf(calms.KindInternal, "the edge answered %s: %.500s", response.Status, body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

func notRunning(data string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return calms.Errorf(calms.KindForbidden, "the control socket in %s belongs to another user", data).WithHint("sudo calms-edge status")
	}
	return calms.Errorf(calms.KindUnreachable, "no calms-edge runs on %s", data).WithHint("calms-edge run, or systemctl status calms-edge")
}

// askStatus asks the running edge for its status.
func askStatus(ctx context.Context, data string) (s status, err error) {
	err = askControl(ctx, data, http.MethodGet, "/v1/status", &s)
	return s, err
}
