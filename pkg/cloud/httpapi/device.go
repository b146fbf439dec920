package httpapi

import (
	"context"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/replica"
)

// device is one device as all services together know it.
func (d *door) device(ctx context.Context, path calms.Path) (api.Device, error) {
	device, err := d.Fleet.Device(ctx, path)
	if err != nil {
		return api.Device{}, err
	}
	return d.whole(ctx, device)
}

// whole adds all that is known of a device.
func (d *door) whole(ctx context.Context, device api.Device) (api.Device, error) {
	journals, err := d.History.Journals(ctx, calms.DeviceID(device.ID))
	if err != nil {
		return api.Device{}, err
	}
	gaps, err := d.History.Gaps(ctx, calms.DeviceID(device.ID))
	if err != nil {
		return api.Device{}, err
	}
	for _, j := range journals {
		device.Journals = append(device.Journals, journal(j))
	}
	for _, g := range gaps {
		device.Gaps = append(device.Gaps, gap(g))
	}
	return d.join(device, journals, d.Broker.Connected()), nil
}

// devices is a list of devices, each without its journals and gaps.
func (d *door) devices(ctx context.Context, prefix calms.Path) ([]api.Device, error) {
	devices, err := d.Fleet.Devices(ctx, prefix)
	if err != nil {
		return nil, err
	}
	all, err := d.History.Journals(ctx, "")
	if err != nil {
		return nil, err
	}
	journals := map[calms.DeviceID][]replica.Journal{}
	for _, j := range all {
		journals[j.ID.Device] = append(journals[j.ID.Device], j)
	}
	connected := d.Broker.Connected()
	for i, device := range devices {
		devices[i] = d.join(device, journals[calms.DeviceID(device.ID)], connected)
	}
	return devices, nil
}

// join adds to a device what its connection and its journals say.
func (d *door) join(device api.Device, journals []replica.Journal, connected map[calms.DeviceID]bool) api.Device {
	device.Connected = connected[calms.DeviceID(device.ID)]
	device.Margin = d.Margins.Margin(journals)
	for _, j := range journals {
		if at := instant(j.LastEntry); at != nil && (device.LastSeen == nil || at.After(*device.LastSeen)) {
			device.LastSeen = at
		}
	}
	return device
}

func journal(j replica.Journal) api.Journal {
	return api.Journal{
		Name:        j.ID.Name(),
		Generation:  j.ID.Generation,
		Cursor:      j.Cursor.Number,
		Head:        max(j.Head, j.Cursor.Number), // a hello may be older than the newest entry
		Samples:     j.Samples,
		Covered:     j.Cursor.Covered,
		Quarantined: j.Forked,
		LastEntry:   instant(j.LastEntry),
	}
}

func gap(g history.StoredGap) api.Gap {
	return api.Gap{
		Journal: g.Journal.Name(),
		First:   g.First,
		Last:    g.Last,
		Samples: g.Samples,
		From:    instant(g.Since),
		To:      instant(g.Until),
		Reason:  g.Reason,
	}
}

// instant is a time in nanoseconds since 1970 UTC; 0 is not known.
func instant(nanos int64) *time.Time {
	if nanos == 0 {
		return nil
	}
	t := time.Unix(0, nanos).UTC()
	return &t
}

type provisionRequest struct {
	AtDevice
	Body api.ProvisionRequest
}

func (d *door) provision(ctx context.Context, in *provisionRequest) (api.Provisioned, error) {
	path, _ := in.scope()
	provisioned, err := d.Fleet.Provision(ctx, path, in.Body.TTLSeconds)
	if err != nil {
		return api.Provisioned{}, err
	}
	provisioned.Device, err = d.whole(ctx, provisioned.Device)
	return provisioned, err
}

type revokeRequest struct {
	AtDevice
	Body api.RevokeRequest
}

func (d *door) revoke(ctx context.Context, in *revokeRequest) (api.Revoked, error) {
	path, _ := in.scope()
	revoked, err := d.Revoker.Revoke(ctx, path, in.Body.Reason)
	if err != nil {
		return api.Revoked{}, err
	}
	revoked.Device, err = d.whole(ctx, revoked.Device)
	return revoked, err
}
