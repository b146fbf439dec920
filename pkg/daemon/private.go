package daemon

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
)

// addressFile is, within the data directory, where the private listener's
// address stands while the daemon runs.
const addressFile = "run/private.addr"

// NewRegistry is a Prometheus registry with the metrics of Go and the process.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// private is the HTTP listener for whoever runs the machine: nothing on it
// asks who is there, so it must not be reachable from elsewhere, and it has
// nothing to change and no profiles to read.
type private struct {
	server http.Server
	file   string
}

func (r *runner) servePrivate() (*private, error) {
	p, err := r.openPrivate()
	return p, calms.Wrap("open private listener", err)
}

func (r *runner) openPrivate() (*private, error) {
	listener, err := net.Listen("tcp", r.config.Private)
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	file := filepath.Join(r.config.DataDir, filepath.FromSlash(addressFile))
	if err := writeAddress(file, address); err != nil {
		// On a full disk a daemon is needed more than its probe.
		r.config.Log.Warn("health cannot find this daemon: its private address is not written", "file", file, KeyError, err)
		os.Remove(file) // an older address may be another's by now
	}
	p := &private{file: file}
	p.server.Handler = r.privateHandler()
	p.server.ReadHeaderTimeout = 5 * time.Second
	p.server.WriteTimeout = 30 * time.Second
	go p.server.Serve(listener) // until close
	r.config.Log.Info("private listener serves", "address", address)
	return p, nil
}

func writeAddress(file, address string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(file, []byte(address+"\n"), 0o600)
}

func (p *private) close() {
	os.Remove(p.file) // one that stays is recognised by Probe
	p.server.Close()
}

func (r *runner) privateHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", r.serveReadiness)
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.config.Registry, promhttp.HandlerOpts{}))
	return mux
}

func (r *runner) serveReadiness(w http.ResponseWriter, _ *http.Request) {
	readiness := r.states.readiness()
	w.Header().Set("Content-Type", "application/json")
	if !readiness.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(readiness) // an error is the reader's
}
