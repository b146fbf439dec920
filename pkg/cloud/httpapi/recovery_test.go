package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

type restorer struct{ asked chan api.RestoreRequest }

func (restorer) Recovery(context.Context) (api.Recovery, error) {
	return api.Recovery{State: "waiting"}, nil
}

func (r restorer) Restore(_ context.Context, request api.RestoreRequest) (api.Recovery, error) {
	r.asked <- request
	return api.Recovery{State: "restoring"}, nil
}

func TestRecovery(t *testing.T) {
	asked := make(chan api.RestoreRequest, 1)
	server := serve(t, NewRecovery(restorer{asked}, "the secret", testOptions(t)))

	response, text := ask(t, server, "GET", "/v1/version", "", "")
	if response.StatusCode != http.StatusOK || !strings.Contains(text, `"recovery":true`) {
		t.Errorf("version: %d %s", response.StatusCode, text)
	}
	for _, key := range []string{"", "the", "the secret and more"} {
		for _, c := range [][2]string{{"GET", "/v1/recovery"}, {"POST", "/v1/recovery/restore"}} {
			response, text = ask(t, server, c[0], c[1], key, `{"snapshot":"latest","identity":"x"}`)
			wantProblem(t, response, text, http.StatusUnauthorized, calms.KindUnauthenticated)
		}
	}
	response, text = ask(t, server, "GET", "/v1/status", "the secret", "")
	if p := wantProblem(t, response, text, http.StatusNotFound, calms.KindNotFound); !strings.Contains(p.Hint, "recovery") {
		t.Errorf("the hint is %q", p.Hint)
	}
	response, text = ask(t, server, "POST", "/v1/recovery/restore", "the secret", `{"snapshot":"latest","identity":"x"}`)
	if response.StatusCode != http.StatusAccepted || (<-asked).Identity != "x" {
		t.Errorf("restore: %d %s", response.StatusCode, text)
	}
	response, text = ask(t, server, "GET", "/v1/recovery", "the secret", "")
	if response.StatusCode != http.StatusOK || !strings.Contains(text, "waiting") {
		t.Errorf("state: %d %s", response.StatusCode, text)
	}
}
