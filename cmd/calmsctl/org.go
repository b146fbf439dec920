package main

import (
	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newOrg(a *app) *cobra.Command {
	return noun[api.Org]{
		word: "org", many: "organisations", level: calms.LevelOrganisation, sample: "acme",
		removal: "It must have no sites.",
		view: view[api.Org]{
			name: func(o api.Org) string { return o.Path },
			none: "there are no organisations yet: calmsctl org create NAME",
			columns: []column[api.Org]{
				{title: "PATH", cell: func(o api.Org) string { return o.Path }},
				{title: "ID", wide: true, cell: func(o api.Org) string { return o.ID }},
				{title: "CREATED", cell: func(o api.Org) string { return localTime(o.Created) }},
			},
		},
		create: (*api.Client).CreateOrg, list: (*api.Client).ListOrgs, get: (*api.Client).GetOrg, delete: (*api.Client).DeleteOrg,
	}.group(a)
}
