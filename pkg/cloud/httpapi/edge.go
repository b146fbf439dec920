package httpapi

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

type enrollRequest struct {
	atRoot
	Body api.EnrollRequest
}

type renewRequest struct {
	atRoot
	Body api.RenewRequest
}

// limited bounds how often one address may ask.
func limited(limit *limiter) option {
	return func(op *huma.Operation) {
		op.Description = "Rate-limited for each address."
		op.Middlewares = append(op.Middlewares, limit.guard)
	}
}

func (l *limiter) guard(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if l.allow(remoteHost(r), time.Now()) {
		next(ctx)
		return
	}
	w.Header().Set("Retry-After", "5")
	newProblem(r.Context(), http.StatusServiceUnavailable, calms.KindUnavailable,
		"too many requests from this address", "wait some seconds, then try again").write(w)
}

func (d *door) enroll(ctx context.Context, in *enrollRequest) (api.Enrollment, error) {
	return d.Enrollment.Enroll(store.WithActor(ctx, "ticket:"+in.Body.TicketID), in.Body)
}

type chainKey struct{}

// presented lets a handler see the certificates that came with the connection.
// Who has none is turned away before the body is read.
func presented(op *huma.Operation) {
	op.Security = []map[string][]string{{deviceCert: {}}}
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			newProblem(r.Context(), http.StatusUnauthorized, calms.KindUnauthenticated, "no client certificate was presented", "calms-edge enroll").write(w)
			return
		}
		next(huma.WithValue(ctx, chainKey{}, r.TLS.PeerCertificates))
	})
}

func (d *door) renew(ctx context.Context, in *renewRequest) (api.Renewed, error) {
	chain, _ := ctx.Value(chainKey{}).([]*x509.Certificate)
	return d.Enrollment.Renew(store.WithActor(ctx, "device:"+chain[0].Subject.CommonName), chain, in.Body.CSR)
}
