package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

const (
	problemType  = "application/problem+json"
	internalText = "internal error; the daemon's log has it under this request's id"
)

// problem is an [api.Problem] as huma wants errors to be.
type problem struct{ api.Problem }

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) ContentType(string) string { return problemType }

// problemOf makes the problem document that a caller may see of an error. What
// is wrong inside the cloud goes to the log only, under the request's id.
func problemOf(ctx context.Context, log *slog.Logger, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if errors.Is(err, store.ErrFull) {
		err = calms.Errorf(calms.KindUnavailable, "the cloud's disk is full").WithHint("free space on the cloud's data directory; it recovers by itself")
	}
	kind, text := calms.KindOf(err), err.Error()
	if kind == calms.KindInternal && ctx.Err() == nil {
		log.Error("request failed", "request", requestID(ctx), "error", err)
		text = internalText
	}
	return newProblem(ctx, api.HTTPStatus(kind), kind, text, calms.HintOf(err))
}

func newProblem(ctx context.Context, status int, kind calms.Kind, detail, hint string) *problem {
	return &problem{api.Problem{
		Title:     http.StatusText(status),
		Status:    status,
		Detail:    detail,
		Kind:      kind,
		Hint:      hint,
		RequestID: requestID(ctx),
	}}
}

// write sends the problem outside of huma's marshalling.
func (p *problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", problemType)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="calms"`)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p.Problem) // the caller is gone: nobody is left to tell
}

// fromHuma turns the errors that huma finds itself, such as a body that does
// not fit its schema, into our problem document.
func fromHuma(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	kind := calms.KindInvalid
	if model.Status >= http.StatusInternalServerError {
		kind = calms.KindInternal
	}
	return newProblem(ctx.Context(), model.Status, kind, describe(model), "see the document at "+documentPath+".json").Problem, nil
}

// describe names every field that is wrong, without its value, which may be a
// secret.
func describe(model *huma.ErrorModel) string {
	text := []string{model.Detail}
	for _, e := range model.Errors {
		text = append(text, strings.TrimSpace(e.Location+" "+e.Message))
	}
	return strings.Join(text, "; ")
}
