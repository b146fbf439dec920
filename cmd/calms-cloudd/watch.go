package main

import (
	"context"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/alarm"
	"go.calms.com/calms/pkg/replica"
)

// The kinds of alarms that no service raises by itself, because they are seen
// only where several are looked at.
const (
	alarmNoRepository = "no-repository"
	alarmBackup       = "backup"
	alarmMargin       = "replay-margin"
	alarmFacts        = "facts-incomplete"
	alarmAddress      = "public-address"
	alarmCertificate  = "certificate"
)

const watchPause = 5 * time.Second

// watch looks at the services now and then, and at once when it is woken, and
// keeps the board of alarms true.
func (c *cloud) watch(ctx context.Context, report func(error)) error {
	if err := c.remember(ctx); err != nil {
		return calms.Wrap("raise the alarms of before the start", err)
	}
	for {
		report(c.look(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-c.lookNow:
		case <-time.After(watchPause):
		}
	}
}

func (c *cloud) look(ctx context.Context) error {
	c.watchFacts()
	c.watchAddress()
	c.watchCertificates()
	if err := c.watchBackup(ctx); err != nil {
		return err
	}
	return c.watchDevices(ctx)
}

// watchBackup says what is at risk, and keeps the time of the newest snapshot.
func (c *cloud) watchBackup(ctx context.Context) error {
	status, err := c.backup.Status(ctx)
	if err != nil {
		return err
	}
	if status.Newest != nil {
		c.snapshot.Store(&status.Newest.Time)
	}
	c.board.Set(status.Repository == nil, api.Alarm{
		Kind: alarmNoRepository, Subject: backupName, Severity: alarm.Critical, Text: status.Risk, Hint: "calmsctl backup init --folder DIR --recipient AGE-PUBLIC-KEY"})
	c.board.Set(status.Repository != nil && status.Risk != "", api.Alarm{
		Kind: alarmBackup, Subject: backupName, Severity: alarm.Warning, Text: status.Risk, Hint: "calmsctl backup list"})
	return nil
}

// watchFacts reminds of a restore that could not read every fact.
func (c *cloud) watchFacts() {
	c.board.Set(c.place.has(incompleteName), api.Alarm{
		Kind: alarmFacts, Subject: backupName, Severity: alarm.Critical,
		Text: "the restore could not read every revocation and burnt ticket: somebody who was shut out may be in again",
		Hint: "revoke again whoever must stay out, then remove " + c.place.path(incompleteName)})
}

// watchAddress reminds of a restored cloud that answers where nobody looks.
func (c *cloud) watchAddress() {
	c.board.Set(c.elsewhere != "", api.Alarm{
		Kind: alarmAddress, Subject: "api", Severity: alarm.Critical,
		Text: "before the restore operators and edges were told of an address that this cloud does not answer to: " + c.elsewhere,
		Hint: "set public.hosts and listen.* as they were; when nobody needs the old address any more, remove " + c.place.path(addressesFile) + " and restart"})
}

// watchCertificates tells when a listener's certificate is not renewed.
func (c *cloud) watchCertificates() {
	for name, status := range c.renewals() {
		text := ""
		if status.Err != nil {
			text = "the certificate of the " + name + " is not renewed and ends " + status.NotAfter.Format(time.RFC3339) + ": " + status.Err.Error()
		}
		c.board.Set(status.Failures > 2, api.Alarm{
			Kind: alarmCertificate, Subject: name, Severity: alarm.Critical, Text: text, Hint: "calms-cloudd authority list"})
	}
}

// watchDevices looks at the replay margins of all devices.
func (c *cloud) watchDevices(ctx context.Context) error {
	known, err := c.fleet.Devices(ctx, "")
	if err != nil {
		return err
	}
	journals, err := c.journals(ctx)
	if err != nil {
		return err
	}
	for _, device := range known {
		c.watchMargin(device, journals[calms.DeviceID(device.ID)])
	}
	return nil
}

// journals lists the journals of all devices, by device.
func (c *cloud) journals(ctx context.Context) (map[calms.DeviceID][]replica.Journal, error) {
	all, err := c.history.Journals(ctx, "")
	byDevice := map[calms.DeviceID][]replica.Journal{}
	for _, j := range all {
		byDevice[j.ID.Device] = append(byDevice[j.ID.Device], j)
	}
	return byDevice, err
}

// watchMargin warns of a device whose journal does not reach back to the newest
// snapshot, or soon will not. Without any snapshot there is another alarm.
func (c *cloud) watchMargin(device api.Device, journals []replica.Journal) {
	margin := c.Margin(journals)
	watched := margin != nil && margin.Snapshot != nil && device.State != api.DeviceRevoked
	switch {
	case watched && !margin.Sufficient:
		c.board.Raise(alarmMargin, device.Path, alarm.Critical,
			"the edge has evicted entries that no snapshot holds: if the cloud were lost now, they would be lost", "calmsctl backup create")
	case watched && c.shrinking(margin, journals):
		c.board.Raise(alarmMargin, device.Path, alarm.Warning,
			"the edge's journal reaches back hardly further than the newest snapshot", "calmsctl backup create; give the edge a larger journal")
	default:
		c.board.Clear(alarmMargin, device.Path)
	}
}
