package main

import (
	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newSite(a *app) *cobra.Command {
	return noun[api.Site]{
		word: "site", many: "sites", level: calms.LevelSite, sample: "acme/ljubljana",
		removal: "It must have no devices.",
		view: view[api.Site]{
			name: func(s api.Site) string { return s.Path },
			none: "there are no sites yet: calmsctl site create ORG/SITE",
			columns: []column[api.Site]{
				{title: "PATH", cell: func(s api.Site) string { return s.Path }},
				{title: "CREATED", cell: func(s api.Site) string { return localTime(s.Created) }},
			},
		},
		create: (*api.Client).CreateSite, list: (*api.Client).ListSites, get: (*api.Client).GetSite, delete: (*api.Client).DeleteSite,
	}.group(a)
}
