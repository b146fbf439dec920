package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
)

const (
	probeTimeout = 5 * time.Second
	probeLimit   = 1 << 20 // bytes of an answer
)

// Probe asks the daemon of a data directory whether it is ready; nil says yes.
// The error is [calms.KindUnreachable] or [calms.KindTimeout] where no daemon
// answers and [calms.KindPending] where a target is not ready.
func Probe(ctx context.Context, dataDir string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	address, err := os.ReadFile(filepath.Join(dataDir, filepath.FromSlash(addressFile)))
	if errors.Is(err, fs.ErrNotExist) {
		return calms.Errorf(calms.KindUnreachable, "no daemon runs in %s", dataDir)
	} else if err != nil {
		return calms.Wrap("find daemon", err)
	}
	readiness, err := fetchReadiness(ctx, strings.TrimSpace(string(address)))
	if err != nil {
		return calms.Wrap("ask daemon", err)
	}
	return readiness.err()
}

func fetchReadiness(ctx context.Context, address string) (r Readiness, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return r, err
	}
	// No proxy: the listener is on this machine.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if ctx.Err() != nil {
		return r, calms.Errorf(calms.KindTimeout, "no answer from %s: %w", address, ctx.Err())
	} else if err != nil {
		return r, calms.Errorf(calms.KindUnreachable, "no answer from %s: %w", address, err)
	}
	defer response.Body.Close()
	err = json.NewDecoder(io.LimitReader(response.Body, probeLimit)).Decode(&r)
	if err != nil || r.Schema != 1 {
		return r, calms.Errorf(calms.KindUnreachable, "%s answers %s, and not as a daemon of this version", address, response.Status)
	}
	return r, nil
}

func (r Readiness) err() error {
	if r.Ready {
		return nil
	}
	var waiting []string
	for _, t := range r.Targets {
		if t.State != stateReady {
			waiting = append(waiting, strings.TrimSuffix(t.Name+" is "+t.State+": "+t.Error, ": "))
		}
	}
	return calms.Errorf(calms.KindPending, "not ready: %s", strings.Join(waiting, ", "))
}
