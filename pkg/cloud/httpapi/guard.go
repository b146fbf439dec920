package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

const (
	// maxBody bounds a request's body: the largest is a repository's wrapped key.
	maxBody        = 1 << 20
	requestIDBytes = 10
)

type requestKey struct{}

// requestID is the id that [guard] gave the request of ctx.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// recorder remembers what was answered, for the access log.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets [http.ResponseController] reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// guard stands in front of every route: it gives the request its id, bounds its
// body, sets the headers that every answer has, keeps panics inside and writes
// the access log. The log has neither query nor headers: they may be secret.
func guard(version string, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		id := calms.RandomName(requestIDBytes)
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		answer := &recorder{ResponseWriter: w}
		r.Body = http.MaxBytesReader(answer, r.Body, maxBody)
		setHeaders(answer.Header(), version, id)
		defer func() {
			aborted := contain(recover(), answer, r, log)
			log.Info("request", "request", id, "method", r.Method, "path", r.URL.Path, "status", answer.status, "aborted", aborted,
				"bytes", answer.bytes, "duration", time.Since(started).Round(time.Microsecond), "remote", r.RemoteAddr)
			if aborted {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(answer, r)
	})
}

func setHeaders(h http.Header, version, id string) {
	h.Set(api.VersionHeader, version)
	h.Set(api.RequestIDHeader, id)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Content-Type-Options", "nosniff")
}

// contain answers a panic with a bare 500. It reports whether the connection
// must be aborted, because an answer had begun: the caller must not take half of
// it for the whole.
func contain(cause any, w *recorder, r *http.Request, log *slog.Logger) (abort bool) {
	switch {
	case cause == nil:
		return false
	case cause == http.ErrAbortHandler:
		return true
	}
	log.Error("request panicked", "request", requestID(r.Context()), "cause", cause, "stack", string(debug.Stack()))
	if w.status != 0 {
		return true
	}
	newProblem(r.Context(), http.StatusInternalServerError, calms.KindInternal, internalText, "").write(w)
	return false
}
