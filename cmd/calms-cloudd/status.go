package main

import (
	"cmp"
	"context"
	"slices"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/replica"
)

// Status implements [httpapi.Status].
func (c *cloud) Status(ctx context.Context) (api.Status, error) {
	status := api.Status{
		Version:  self().VersionText(),
		Epoch:    c.history.Epoch().String(),
		Started:  c.started,
		Alarms:   c.board.Active(),
		RootKey:  c.pki.RootKeyHere(),
		Services: c.ready.list(),
	}
	known, err := c.fleet.Devices(ctx, "")
	if err != nil {
		return api.Status{}, err
	}
	status.Devices = c.count(known)
	if status.Backup, err = c.backup.Status(ctx); err != nil {
		return api.Status{}, err
	}
	status.Replay, err = c.replay(ctx, known)
	return status, err
}

func (c *cloud) count(known []api.Device) api.DeviceCounts {
	counts := api.DeviceCounts{Total: len(known), Connected: len(c.broker.Connected())}
	for _, d := range known {
		if d.State == api.DeviceRevoked {
			counts.Revoked++
		}
	}
	return counts
}

// replay is how far the edges have come since the restore of this start; nil
// where nothing was restored.
func (c *cloud) replay(ctx context.Context, known []api.Device) (*api.ReplayStatus, error) {
	heard, running := c.ingest.Replay()
	if !running {
		return nil, nil
	}
	journals, err := c.journals(ctx)
	if err != nil {
		return nil, err
	}
	status := &api.ReplayStatus{
		Restored:     c.restore.Restored,
		SnapshotTime: c.restore.SnapshotTime,
		Report:       c.restore,
		Devices:      []api.ReplayDevice{},
		Complete:     true,
	}
	for _, device := range known {
		if device.State != api.DeviceEnrolled {
			continue
		}
		replayed, said := heard[calms.DeviceID(device.ID)]
		stored := journals[calms.DeviceID(device.ID)]
		if !said && len(stored) == 0 {
			continue // it never sent anything, so nobody should wait for it
		}
		d := replayDevice(device, said, replayed, stored)
		status.Devices = append(status.Devices, d)
		status.Complete = status.Complete && d.CaughtUp
	}
	return status, nil
}

// replayDevice judges by the cursors in the history, which are the truth: a
// device that had nothing to send again has caught up too.
func replayDevice(device api.Device, said bool, replayed ingest.Replayed, journals []replica.Journal) api.ReplayDevice {
	d := api.ReplayDevice{Path: device.Path, Heard: said, Replayed: replayed.Entries, Lost: replayed.Lost, CaughtUp: said}
	// Of several journals the newest is shown; all of them must have caught up.
	slices.SortFunc(journals, func(x, y replica.Journal) int { return cmp.Compare(x.ID.Generation, y.ID.Generation) })
	for _, j := range journals {
		d.Cursor, d.Head = j.Cursor.Number, j.Head
		if p, held := replayed.Journals[j.ID]; held {
			d.Head = p.Head
			d.CaughtUp = d.CaughtUp && (j.Cursor.Number >= p.Head || j.Forked != "")
		}
	}
	return d
}

// renewals is how the renewal of the listeners' certificates goes.
func (c *cloud) renewals() map[string]certs.RenewalStatus {
	return map[string]certs.RenewalStatus{
		"api":    c.certificates.api.Status(),
		"broker": c.certificates.broker.Status(),
	}
}
