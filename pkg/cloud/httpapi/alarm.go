package httpapi

import (
	"context"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func (d *door) alarms(context.Context, *atRoot) (api.Page[api.Alarm], error) {
	return api.Page[api.Alarm]{Items: d.Alarms.Active()}, nil
}

type clearAlarmRequest struct{ Body api.ClearAlarmRequest }

// scope is the device that the alarm is about; other alarms are the whole
// installation's.
func (r clearAlarmRequest) scope() (calms.Path, error) {
	if path, err := calms.ParsePathAt(r.Body.Subject, calms.LevelDevice); err == nil {
		return path, nil
	}
	return "", nil
}

func (d *door) clearAlarm(ctx context.Context, in *clearAlarmRequest) (api.Alarm, error) {
	return d.Alarms.Clear(ctx, in.Body.Kind, in.Body.Subject)
}
