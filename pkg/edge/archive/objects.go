package archive

import (
	"context"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

// objects gives each object of a source once.
type objects struct {
	source Source
	given  map[wire.Hash]bool
	broken map[wire.Hash]error // what cannot be had is not asked for again
}

func newObjects(source Source) *objects {
	return &objects{source: source, given: map[wire.Hash]bool{}, broken: map[wire.Hash]error{}}
}

// need returns the objects that an entry needs and that were not given before,
// each after the session that it is sealed under, or why one cannot be had; then
// none of them counts as given.
func (o *objects) need(ctx context.Context, e wire.Entry) (needed [][]byte, err error) {
	for _, name := range append([]wire.Hash{e.Session}, e.Objects...) {
		if needed, err = o.add(ctx, needed, name); err != nil {
			return nil, err
		}
	}
	for _, object := range needed {
		o.given[wire.ObjectName(object)] = true
	}
	return needed, nil
}

func (o *objects) add(ctx context.Context, needed [][]byte, name wire.Hash) ([][]byte, error) {
	if o.given[name] {
		return needed, nil
	}
	object, err := o.read(ctx, name)
	if err != nil {
		return nil, err
	}
	if list, err := wire.DecodeChannels(object); err == nil {
		if needed, err = o.add(ctx, needed, list.Session); err != nil {
			return nil, err
		}
	}
	for _, other := range needed {
		if wire.ObjectName(other) == name {
			return needed, nil
		}
	}
	return append(needed, object), nil
}

func (o *objects) read(ctx context.Context, name wire.Hash) ([]byte, error) {
	if err := o.broken[name]; err != nil {
		return nil, err
	}
	object, err := o.source.Object(ctx, name)
	if err == nil && wire.ObjectName(object) != name {
		err = calms.Errorf(calms.KindInvalid, "object %s is damaged", name)
	}
	if err != nil {
		o.broken[name] = err
	}
	return object, err
}
