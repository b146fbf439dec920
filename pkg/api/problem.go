package api

import (
	"net/http"

	"go.calms.com/calms/pkg/calms"
)

// Problem is the body of every error response: application/problem+json (RFC
// 9457) with the members kind, hint and requestId.
type Problem struct {
	Type      string     `json:"type,omitempty" doc:"always about:blank; the kind says what it is"`
	Title     string     `json:"title"`
	Status    int        `json:"status"`
	Detail    string     `json:"detail" doc:"what went wrong"`
	Kind      calms.Kind `json:"kind"`
	Hint      string     `json:"hint,omitempty" doc:"what to do next"`
	RequestID string     `json:"requestId,omitempty"`
}

// HTTPStatus is the status code for errors of a kind.
func HTTPStatus(kind calms.Kind) int {
	switch kind {
	case calms.KindInvalid, calms.KindUsage:
		return http.StatusBadRequest
	case calms.KindUnauthenticated:
		return http.StatusUnauthorized
	case calms.KindForbidden:
		return http.StatusForbidden
	case calms.KindNotFound:
		return http.StatusNotFound
	case calms.KindConflict:
		return http.StatusConflict
	case calms.KindTimeout:
		return http.StatusGatewayTimeout
	case calms.KindUnavailable, calms.KindUnreachable:
		return http.StatusServiceUnavailable
	case calms.KindPending:
		return http.StatusAccepted
	default:
		return http.StatusInternalServerError
	}
}
