package httpapi

import (
	"context"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// on answers a request that is about one path by what do answers for it.
func on[I scoped, T any](do func(context.Context, calms.Path) (T, error)) func(context.Context, *I) (T, error) {
	return func(ctx context.Context, in *I) (T, error) {
		path, _ := (*in).scope() // it was valid when the permission was checked
		return do(ctx, path)
	}
}

// list answers a GET of everything at or below a path.
func list[T any](get func(context.Context, calms.Path) ([]T, error)) func(context.Context, *below) (api.Page[T], error) {
	return func(ctx context.Context, in *below) (api.Page[T], error) {
		items, err := get(ctx, calms.Path(in.Prefix))
		if items == nil {
			items = []T{} // an empty list is [], not null
		}
		return api.Page[T]{Items: items}, err
	}
}

// remove answers a DELETE.
func remove[I scoped](remove func(context.Context, calms.Path) error) func(context.Context, *I) error {
	return func(ctx context.Context, in *I) error {
		path, _ := (*in).scope()
		return remove(ctx, path)
	}
}

func (d *door) createChannel(ctx context.Context, in *newChannel) (api.Channel, error) {
	return d.Fleet.CreateChannel(ctx, in.Body)
}
