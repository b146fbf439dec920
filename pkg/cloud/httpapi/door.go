// Package httpapi is the cloud's door: the HTTPS API of package api over the
// services. It authenticates, checks the permission that each route names,
// joins what several services know of one thing, and describes itself as an
// OpenAPI 3.1 document at /openapi.json and /openapi.yaml. It owns no data.
//
// The table of routes stands in routes.go; each other file answers for one noun.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"go.calms.com/calms/pkg/calms"
)

const documentPath = "/openapi"

// Options are what the door needs beside its services.
type Options struct {
	Version string // of the program
	Log     *slog.Logger
	// Stopping ends all streams, which would hold up an orderly stop; nil never
	// ends.
	Stopping context.Context
	// Heartbeat is how often a stream without samples shows that it lives;
	// 0 is ten seconds.
	Heartbeat time.Duration
}

// door holds what the handlers share.
type door struct {
	Services
	Options
	api      huma.API
	enrolls  *limiter
	renewals *limiter
}

// New makes the handler of the whole API. It must be served over TLS that asks
// for client certificates without verifying them (tls.RequestClientCert): only
// the renewal reads them, and its service verifies.
func New(services Services, options Options) http.Handler {
	mux := http.NewServeMux()
	d := newDoor(mux, options)
	d.Services = services
	d.routes()
	return d.finish(mux, "see "+documentPath+".json for what there is")
}

func newDoor(mux *http.ServeMux, options Options) *door {
	if options.Heartbeat == 0 {
		options.Heartbeat = 10 * time.Second
	}
	if options.Stopping == nil {
		options.Stopping = context.Background()
	}
	return &door{
		Options:  options,
		api:      humago.New(mux, document(options.Version)),
		enrolls:  newLimiter(2, 60),
		renewals: newLimiter(10, 120),
	}
}

// finish adds what is no operation: the answer for unknown routes, the guard.
func (d *door) finish(mux *http.ServeMux, hint string) http.Handler {
	delete(d.api.OpenAPI().Components.Schemas.Map(), "ErrorModel") // huma's own, never sent
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		newProblem(r.Context(), http.StatusNotFound, calms.KindNotFound, "there is no route "+r.Method+" "+r.URL.Path, hint).write(w)
	})
	return guard(d.Version, d.Log, mux)
}

// document configures huma: our problem documents, no pages that load scripts
// from elsewhere.
func document(version string) huma.Config {
	config := huma.DefaultConfig("CALMS", version)
	config.Info.Description = "Compressed-air leak and monitoring system: the API of calms-cloudd."
	config.OpenAPIPath = documentPath
	config.DocsPath = ""
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema member in every answer
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{fromHuma}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		operatorKey: {Type: "http", Scheme: "bearer", Description: "an operator's key"},
		deviceCert:  {Type: "mutualTLS", Description: "the device's certificate, which may have expired"},
	}
	return config
}
