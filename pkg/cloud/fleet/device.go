package fleet

import (
	"context"
	"crypto/sha256"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// shards is into how many parts the fleet can be divided. A device's shard
// stands in its registration and in its topics for good.
const shards = 256

// ShardOf is the shard of a new device. It follows from the identity, so that a
// restored cloud lets a device that it has forgotten say its hello.
func ShardOf(id calms.DeviceID) uint32 {
	sum := sha256.Sum256([]byte(id))
	return uint32(sum[0]) % shards
}

// CreateDevice makes a device on a site that exists. It gets its identity here;
// a ticket for it comes from [Service.Provision].
func (s *Service) CreateDevice(ctx context.Context, path calms.Path) (api.Device, error) {
	d, err := create(ctx, s, "create device", path, devices, func(tx store.Tx) error {
		return s.newDevice(ctx, tx, path)
	})
	return s.withState(d), err
}

func (s *Service) newDevice(ctx context.Context, tx store.Tx, path calms.Path) error {
	if _, err := sites.get(ctx, tx, path.Parent()); err != nil {
		return needs(err, "calmsctl site create %s", path.Parent())
	}
	id := calms.NewDeviceID()
	shard := ShardOf(id)
	if err := s.insertDevice(ctx, tx, id, path, shard, nil); err != nil {
		return err
	}
	return store.Record(ctx, tx, "device.create", string(path), map[string]any{"id": id, "shard": shard})
}

func (s *Service) insertDevice(ctx context.Context, tx store.Tx, id calms.DeviceID, path calms.Path, shard uint32, enrolled *int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO devices (id, path, site, shard, created, enrolled) VALUES ($1, $2, $3, $4, $5, $6)`,
		string(id), string(path), string(path.Parent()), shard, s.now(), enrolled)
	return err
}

// Device returns one device. Of [api.Device] the fleet fills what it knows: no
// connection, journals, gaps and margin.
func (s *Service) Device(ctx context.Context, path calms.Path) (api.Device, error) {
	d, err := devices.get(ctx, s.db.Read(), path)
	return s.withState(d), err
}

// DeviceByID is [Service.Device] by identity.
func (s *Service) DeviceByID(ctx context.Context, id calms.DeviceID) (api.Device, error) {
	d, err := deviceByID(ctx, s.db.Read(), id)
	return s.withState(d), err
}

func deviceByID(ctx context.Context, tx store.Tx, id calms.DeviceID) (api.Device, error) {
	found, err := devices.all(ctx, tx, ` WHERE id = $1`, string(id))
	if err == nil && len(found) == 0 {
		err = calms.Errorf(calms.KindNotFound, "there is no device with the id %.32q", id)
	}
	if err != nil {
		return api.Device{}, err
	}
	return found[0], nil
}

// Devices lists devices.
func (s *Service) Devices(ctx context.Context, prefix calms.Path) ([]api.Device, error) {
	list, err := devices.list(ctx, s.db.Read(), prefix)
	for i := range list {
		list[i] = s.withState(list[i])
	}
	return list, err
}

// withState fills the state. Whether a device is revoked is known in one place
// only, the certificate authority, so the two can never disagree.
func (s *Service) withState(d api.Device) api.Device {
	switch {
	case d.ID == "":
	case s.options.Issuer.Revoked(calms.DeviceID(d.ID)):
		d.State = api.DeviceRevoked
	case d.Enrolled != nil:
		d.State = api.DeviceEnrolled
	default:
		d.State = api.DeviceProvisioned
	}
	return d
}

// DeleteDevice deletes a device together with the channels that it described
// itself; those that an operator declared must be deleted first. Its identity is
// never used again, and its samples stay in the history under that identity,
// where no path leads any more. An enrolled one must be revoked first: its
// certificate, which it can renew for a year, would outlive it.
func (s *Service) DeleteDevice(ctx context.Context, path calms.Path) error {
	return remove(ctx, s, path, devices, `DELETE FROM devices WHERE path = $1`, func(tx store.Tx, d api.Device) error {
		if s.withState(d).State == api.DeviceEnrolled {
			return calms.Errorf(calms.KindConflict, "device %q is enrolled and not revoked", path).WithHint("calmsctl device revoke %s", path)
		}
		if err := s.forgetDescribed(ctx, tx, path); err != nil {
			return err
		}
		if err := barren(ctx, tx, path, channels); err != nil {
			return err
		}
		if err := s.voidTickets(ctx, tx, calms.DeviceID(d.ID)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO tombstones (id, path, deleted) VALUES ($1, $2, $3)`, d.ID, string(path), s.now())
		return err
	})
}

// Seen notes when a device was last heard. It is an observation and no change:
// it is not audited, and may be as rare as the caller likes.
func (s *Service) Seen(ctx context.Context, id calms.DeviceID, when time.Time) error {
	return calms.Wrap("note device seen", s.db.Update(ctx, func(tx store.Tx) error {
		n := when.UnixNano()
		_, err := tx.ExecContext(ctx, `UPDATE devices SET seen = $1 WHERE id = $2 AND (seen IS NULL OR seen < $3)`, n, string(id), n)
		return err
	}))
}
