package httpapi

import (
	"context"

	"go.calms.com/calms/pkg/api"
)

func (d *door) keys(context.Context, *atRoot) (api.Page[api.Key], error) {
	return api.Page[api.Key]{Items: d.Keys.Keys()}, nil
}

func (d *door) rotateKey(ctx context.Context, _ *atRoot) (api.Key, error) {
	return d.Keys.Rotate(ctx)
}
