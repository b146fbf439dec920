package api

import "context"

// ClearAlarmRequest names one alarm.
type ClearAlarmRequest struct {
	Kind    string `json:"kind" minLength:"1" maxLength:"64" example:"loss"`
	Subject string `json:"subject" minLength:"1" maxLength:"300" example:"acme/ljubljana/comp-3"`
}

// ClearAlarm is POST /v1/alarms/clear: somebody has looked. An alarm whose cause
// still holds comes back.
func (c *Client) ClearAlarm(ctx context.Context, request ClearAlarmRequest) (Alarm, error) {
	return call[Alarm](ctx, c, "POST", "/v1/alarms/clear", nil, request)
}
