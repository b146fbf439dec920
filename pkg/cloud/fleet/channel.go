package fleet

import (
	"context"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// CreateChannel declares a channel of a device that exists.
func (s *Service) CreateChannel(ctx context.Context, request api.CreateRequest) (api.Channel, error) {
	path := calms.Path(request.Path)
	return create(ctx, s, "create channel", path, channels, func(tx store.Tx) error {
		device, err := devices.get(ctx, tx, path.Parent())
		if err != nil {
			return needs(err, "calmsctl device provision %s", path.Parent())
		}
		return s.insertChannel(ctx, tx, device.ID, api.Channel{Path: request.Path, Unit: request.Unit, Description: request.Description, Declared: true})
	})
}

func (s *Service) insertChannel(ctx context.Context, tx store.Tx, device string, c api.Channel) error {
	declared := 0
	if c.Declared {
		declared = 1
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO channels (path, device, unit, description, declared, created) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.Path, device, c.Unit, c.Description, declared, s.now())
	if err != nil {
		return err
	}
	return store.Record(ctx, tx, "channel.create", c.Path, map[string]any{"unit": c.Unit, "description": c.Description, "declared": c.Declared})
}

// Channel returns one channel.
func (s *Service) Channel(ctx context.Context, path calms.Path) (api.Channel, error) {
	return channels.get(ctx, s.db.Read(), path)
}

// Channels lists channels.
func (s *Service) Channels(ctx context.Context, prefix calms.Path) ([]api.Channel, error) {
	return channels.list(ctx, s.db.Read(), prefix)
}

// DeleteChannel deletes a channel; its samples stay.
func (s *Service) DeleteChannel(ctx context.Context, path calms.Path) error {
	return remove(ctx, s, path, channels, `DELETE FROM channels WHERE path = $1`, func(store.Tx, api.Channel) error { return nil })
}

// forgetDescribed deletes the channels of a device that only the device knows
// of, each audited as if an operator had deleted it.
func (s *Service) forgetDescribed(ctx context.Context, tx store.Tx, device calms.Path) error {
	known, err := channels.list(ctx, tx, device)
	if err != nil {
		return err
	}
	for _, c := range known {
		if c.Declared {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM channels WHERE path = $1`, c.Path); err != nil {
			return err
		}
		if err := store.Record(ctx, tx, "channel.delete", c.Path, map[string]any{"before": c}); err != nil {
			return err
		}
	}
	return nil
}

// DescribeChannel takes a device's own description of one of its channels, and
// makes the channel where there is none. Saying the same again writes nothing.
// What an operator declared stays: the device fills only what was left empty.
func (s *Service) DescribeChannel(ctx context.Context, id calms.DeviceID, name, unit, description string) error {
	return calms.Wrap("describe channel", s.describe(ctx, id, name, unit, description))
}

func (s *Service) describe(ctx context.Context, id calms.DeviceID, name, unit, description string) error {
	device, err := deviceByID(ctx, s.db.Read(), id)
	if err != nil {
		return err
	}
	path, err := calms.ParsePathAt(string(calms.Path(device.Path).Child(name)), calms.LevelChannel)
	if err != nil {
		return err
	}
	known, err := channels.all(ctx, s.db.Read(), ` WHERE path = $1`, string(path))
	if err != nil || len(known) > 0 && described(known[0], unit, description) == known[0] {
		return err
	}
	return s.db.Update(ctx, func(tx store.Tx) error {
		return s.putDescription(ctx, tx, device.ID, path, unit, description)
	})
}

func (s *Service) putDescription(ctx context.Context, tx store.Tx, device string, path calms.Path, unit, description string) error {
	known, err := channels.all(ctx, tx, ` WHERE path = $1`, string(path))
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return s.insertChannel(ctx, tx, device, api.Channel{Path: string(path), Unit: unit, Description: description})
	}
	before, after := known[0], described(known[0], unit, description)
	if _, err := tx.ExecContext(ctx, `UPDATE channels SET unit = $1, description = $2 WHERE path = $3`, after.Unit, after.Description, string(path)); err != nil {
		return err
	}
	return store.Record(ctx, tx, "channel.describe", string(path), map[string]any{"before": before, "after": after})
}

// described is a channel after its device has described it.
func described(c api.Channel, unit, description string) api.Channel {
	if !c.Declared || c.Unit == "" {
		c.Unit = unit
	}
	if !c.Declared || c.Description == "" {
		c.Description = description
	}
	return c
}
