package httpapi

import (
	"context"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// device is one device as all services together know it.
func (d *door) device(ctx context.Context, path calms.Path) (api.Device, error) {
	device, err := d.Fleet.Device(ctx, path)
	if err != nil {
		return api.Device{}, err
	}
	if device.Gaps, err = d.History.Gaps(ctx, calms.DeviceID(device.ID)); err != nil {
		return api.Device{}, err
	}
	return d.join(ctx, device)
}

// devices is a list of devices, each without its journals and gaps.
func (d *door) devices(ctx context.Context, prefix calms.Path) ([]api.Device, error) {
	devices, err := d.Fleet.Devices(ctx, prefix)
	if err != nil {
		return nil, err
	}
	for i := range devices {
		if devices[i], err = d.join(ctx, devices[i]); err != nil {
			return nil, err
		}
		devices[i].Journals = nil
	}
	return devices, nil
}

// join adds what the broker and the history know of a device.
func (d *door) join(ctx context.Context, device api.Device) (api.Device, error) {
	id := calms.DeviceID(device.ID)
	device.Connected = d.Broker.Connected(id)
	var err error
	if device.Journals, err = d.History.Journals(ctx, id); err != nil {
		return api.Device{}, err
	}
	if device.Margin, err = d.Margins.Margin(ctx, id); err != nil {
		return api.Device{}, err
	}
	device.LastSeen = newest(device.LastSeen, device.Journals)
	return device, nil
}

// newest is the latest moment that a device is known to have been heard.
func newest(seen *time.Time, journals []api.Journal) *time.Time {
	for _, j := range journals {
		if j.LastEntry != nil && (seen == nil || j.LastEntry.After(*seen)) {
			seen = j.LastEntry
		}
	}
	return seen
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
	provisioned.Device, err = d.join(ctx, provisioned.Device)
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
	revoked.Device, err = d.join(ctx, revoked.Device)
	return revoked, err
}
