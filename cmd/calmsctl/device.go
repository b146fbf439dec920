package main

import (
	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newDevice(a *app) *cobra.Command {
	return noun[api.Device]{
		word: "device", many: "devices", level: calms.LevelDevice, sample: "acme/ljubljana/comp-3",
		removal: "The channels that it described go with it, and\nno path leads to its samples any more. Channels that an operator made must be deleted\nfirst, and where it has enrolled it must be revoked.",
		view:    deviceView(a),
		create:  (*api.Client).CreateDevice, list: (*api.Client).ListDevices, get: (*api.Client).GetDevice, delete: (*api.Client).DeleteDevice,
	}.group(a, newProvision(a), newRevoke(a))
}

func deviceView(a *app) view[api.Device] {
	return view[api.Device]{
		name: func(d api.Device) string { return d.Path },
		none: "there are no devices yet: calmsctl device provision ORG/SITE/DEVICE",
		more: printJournals,
		columns: []column[api.Device]{
			{title: "PATH", cell: func(d api.Device) string { return d.Path }},
			{title: "STATE", cell: func(d api.Device) string { return d.State }, tone: toneOfState},
			{title: "CONNECTED", cell: func(d api.Device) string { return yesNo(d.Connected) }, tone: toneOfConnection},
			{title: "LAST SEEN", cell: func(d api.Device) string {
				if d.LastSeen == nil {
					return ""
				}
				return a.ago(*d.LastSeen)
			}},
			{title: "REPLAY MARGIN", cell: marginText, tone: toneOfMargin},
			{title: "ID", wide: true, cell: func(d api.Device) string { return d.ID }},
			{title: "SHARD", wide: true, right: true, cell: func(d api.Device) string { return count(uint64(d.Shard)) }},
			{title: "CREATED", wide: true, cell: func(d api.Device) string { return localTime(d.Created) }},
			{title: "ENROLLED", wide: true, cell: func(d api.Device) string { return localTimePtr(d.Enrolled) }},
		},
	}
}

func toneOfState(d api.Device) tone {
	switch d.State {
	case api.DeviceEnrolled:
		return toneGood
	case api.DeviceRevoked:
		return toneBad
	}
	return toneWarn
}

func toneOfConnection(d api.Device) tone {
	if d.State != api.DeviceEnrolled {
		return toneDim
	}
	return goodBad(d.Connected)
}

// marginText tells how long before the newest snapshot the device's journal
// begins: that much may a backup get older before a restore loses something.
func marginText(d api.Device) string {
	m := d.Margin
	switch {
	case m == nil:
		return ""
	case m.Snapshot == nil:
		return "no snapshot"
	case !m.Sufficient:
		return "not sufficient"
	case m.OldestEntry == nil || m.Snapshot.Before(*m.OldestEntry):
		return "sufficient"
	}
	return ageText(m.Snapshot.Sub(*m.OldestEntry))
}

func toneOfMargin(d api.Device) tone { return goodBad(d.Margin != nil && d.Margin.Sufficient) }

// printJournals shows what stands of a device's journals in the cloud.
func printJournals(a *app, d api.Device) error {
	if len(d.Journals) > 0 {
		a.section("Journals")
		if err := a.printTable(rowsOf(a, journalView(), d.Journals)); err != nil {
			return err
		}
	}
	if len(d.Gaps) > 0 {
		a.section("Gaps")
		return a.printTable(rowsOf(a, gapView(), d.Gaps))
	}
	return nil
}

func journalView() view[api.Journal] {
	return view[api.Journal]{columns: []column[api.Journal]{
		{title: "JOURNAL", cell: func(j api.Journal) string { return j.Name }},
		{title: "CURSOR", right: true, cell: func(j api.Journal) string { return count(j.Cursor) }},
		{title: "HEAD", right: true, cell: func(j api.Journal) string { return count(j.Head) }},
		{title: "SAMPLES", right: true, cell: func(j api.Journal) string { return count(j.Samples) }},
		{title: "COVERED", right: true, cell: func(j api.Journal) string { return count(j.Covered) }},
		{title: "LAST ENTRY", cell: func(j api.Journal) string { return localTimePtr(j.LastEntry) }},
		{title: "FORKED", cell: func(j api.Journal) string { return j.Quarantined }, tone: func(api.Journal) tone { return toneBad }},
	}}
}

func gapView() view[api.Gap] {
	return view[api.Gap]{columns: []column[api.Gap]{
		{title: "JOURNAL", cell: func(g api.Gap) string { return g.Journal }},
		{title: "FIRST", right: true, cell: func(g api.Gap) string { return count(g.First) }},
		{title: "LAST", right: true, cell: func(g api.Gap) string { return count(g.Last) }},
		{title: "SAMPLES", right: true, cell: func(g api.Gap) string { return count(g.Samples) }},
		{title: "FROM", cell: func(g api.Gap) string { return localTimePtr(g.From) }},
		{title: "TO", cell: func(g api.Gap) string { return localTimePtr(g.To) }},
		{title: "REASON", cell: func(g api.Gap) string { return g.Reason }},
	}}
}
