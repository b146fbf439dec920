package main

import (
	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newChannel(a *app) *cobra.Command {
	return noun[api.Channel]{
		word: "channel", many: "channels", level: calms.LevelChannel, sample: "acme/ljubljana/comp-3/flow",
		removal: "The samples stay in the history, and the channel\ncomes back when the device describes it again.",
		view: view[api.Channel]{
			name: func(c api.Channel) string { return c.Path },
			none: "there are no channels yet: a device that runs describes its own",
			columns: []column[api.Channel]{
				{title: "PATH", cell: func(c api.Channel) string { return c.Path }},
				{title: "UNIT", cell: func(c api.Channel) string { return c.Unit }},
				{title: "DESCRIPTION", cell: func(c api.Channel) string { return c.Description }},
				{title: "ORIGIN", wide: true, cell: originOf},
				{title: "CREATED", wide: true, cell: func(c api.Channel) string { return localTime(c.Created) }},
			},
		},
		create: (*api.Client).CreateChannel, list: (*api.Client).ListChannels, get: (*api.Client).GetChannel, delete: (*api.Client).DeleteChannel,
	}.group(a)
}

func originOf(c api.Channel) string {
	if c.Declared {
		return "operator"
	}
	return "device"
}
