package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/daemon"
)

// probeTimeout bounds the question to a daemon in recovery mode.
const probeTimeout = 5 * time.Second

// probe is [daemon.Probe] that knows a recovery, too: a daemon in recovery mode
// has no private listener, and is neither absent nor ready.
func probe(ctx context.Context, dataDir string) error {
	err := daemon.Probe(ctx, dataDir)
	if calms.KindOf(err) != calms.KindUnreachable {
		return err
	}
	path := filepath.Join(dataDir, recoveryName)
	state, failed := askRecovery(ctx, path)
	if failed != nil {
		return err
	}
	return calms.Errorf(calms.KindPending, "the daemon is in recovery mode: %s", state.State).
		WithHint("calmsctl restore --recovery-file %s --identity FILE", path)
}

// askRecovery asks the daemon that wrote a recovery file how far it is. A file
// may be all that is left of one.
func askRecovery(ctx context.Context, path string) (api.Recovery, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return api.Recovery{}, err
	}
	file, err := api.ParseRecoveryFile(text)
	if err != nil {
		return api.Recovery{}, err
	}
	pin, err := file.Pin()
	if err != nil {
		return api.Recovery{}, err
	}
	client, err := api.NewClient(api.Config{URL: file.URL, Key: file.Secret, Pin: &pin, Timeout: probeTimeout})
	if err != nil {
		return api.Recovery{}, err
	}
	defer client.Close()
	return client.Recovery(ctx)
}
