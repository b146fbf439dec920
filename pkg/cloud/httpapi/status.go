package httpapi

import (
	"context"

	"go.calms.com/calms/pkg/api"
)

func (d *door) version(context.Context, *atRoot) (api.Version, error) {
	return api.Version{Version: d.Version}, nil
}

// healthz says that the process answers. Whether it can work is readiness,
// which only the private listener tells.
func (d *door) healthz(context.Context, *atRoot) (Health, error) {
	return Health{Alive: true}, nil
}

// Health is the answer of GET /v1/healthz.
type Health struct {
	Alive bool `json:"alive"`
}

func (d *door) status(ctx context.Context, _ *atRoot) (api.Status, error) {
	status, err := d.Status.Status(ctx)
	if status.Alarms == nil {
		status.Alarms = []api.Alarm{}
	}
	return status, err
}
