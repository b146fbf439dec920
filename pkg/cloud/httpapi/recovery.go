package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// Recover is the action of the recovery routes.
const Recover calms.Action = "recovery:run"

// Restorer is a daemon in recovery mode.
type Restorer interface {
	// Recovery tells how far it is.
	Recovery(ctx context.Context) (api.Recovery, error)
	// Restore begins and returns at once; the error for a second call while one
	// runs is [calms.KindConflict].
	Restore(ctx context.Context, request api.RestoreRequest) (api.Recovery, error)
}

// bearer is the one secret that opens a daemon in recovery mode.
type bearer [sha256.Size]byte

// Authenticate implements [Authenticator].
func (b bearer) Authenticate(_ context.Context, key string) (Operator, error) {
	hash := sha256.Sum256([]byte(key))
	if subtle.ConstantTimeCompare(hash[:], b[:]) != 1 {
		return Operator{}, calms.Errorf(calms.KindUnauthenticated, "the recovery secret is wrong").
			WithHint("use the recovery file of this start of the daemon; each start makes a new one")
	}
	return Operator{Name: "recovery", Permissions: []calms.Permission{{Action: Recover}}}, nil
}

// NewRecovery makes the handler of a daemon in recovery mode: its version and
// the restore, for whoever holds secret.
func NewRecovery(restorer Restorer, secret string, options Options) http.Handler {
	mux := http.NewServeMux()
	d := newDoor(mux, options)
	d.Identity = bearer(sha256.Sum256([]byte(secret)))
	add(d, route{get, "/v1/version", "version", public, "The program's version"}, recoveryVersion(options.Version))
	add(d, route{get, "/v1/healthz", "health", public, "Whether the process answers"}, d.healthz)
	add(d, route{get, "/v1/recovery", "get-recovery", Recover, "How far the recovery is"},
		func(ctx context.Context, _ *atRoot) (api.Recovery, error) { return restorer.Recovery(ctx) })
	add(d, route{post, "/v1/recovery/restore", "restore", Recover, "Begin a restore"},
		func(ctx context.Context, in *restoreRequest) (api.Recovery, error) {
			return restorer.Restore(ctx, in.Body)
		}, accepted)
	return d.finish(mux, "this daemon is in recovery mode: finish it with calmsctl restore")
}

type restoreRequest struct {
	atRoot
	Body api.RestoreRequest
}

func recoveryVersion(version string) func(context.Context, *atRoot) (api.Version, error) {
	return func(context.Context, *atRoot) (api.Version, error) {
		return api.Version{Version: version, Recovery: true}, nil
	}
}
