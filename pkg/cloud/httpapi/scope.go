package httpapi

import (
	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// The requests' parameters, by what they name. Each is a [scoped].

// atRoot is about the whole installation.
type atRoot struct{}

func (atRoot) scope() (calms.Path, error) { return "", nil }

type atOrg struct {
	Org string `path:"org"`
}

func (p atOrg) scope() (calms.Path, error) {
	return calms.ParsePathAt(p.Org, calms.LevelOrganisation)
}

type atSite struct {
	Org  string `path:"org"`
	Site string `path:"site"`
}

func (p atSite) scope() (calms.Path, error) {
	return calms.ParsePathAt(p.Org+"/"+p.Site, calms.LevelSite)
}

// AtDevice is a device's path in a route. It is exported because huma leaves
// embedded fields of unexported types empty, as is [Span].
type AtDevice struct {
	Org    string `path:"org"`
	Site   string `path:"site"`
	Device string `path:"device"`
}

func (p AtDevice) scope() (calms.Path, error) {
	return calms.ParsePathAt(p.Org+"/"+p.Site+"/"+p.Device, calms.LevelDevice)
}

type atChannel struct {
	Org     string `path:"org"`
	Site    string `path:"site"`
	Device  string `path:"device"`
	Channel string `path:"channel"`
}

func (p atChannel) scope() (calms.Path, error) {
	return calms.ParsePathAt(p.Org+"/"+p.Site+"/"+p.Device+"/"+p.Channel, calms.LevelChannel)
}

// below is about everything at or below a path.
type below struct {
	Prefix string `query:"prefix" doc:"only what lies at or below this path; empty is everything" example:"acme/ljubljana"`
}

func (p below) scope() (calms.Path, error) { return calms.ParsePath(p.Prefix) }

// The bodies of creation, by the level of what is created.
type (
	newOrg     struct{ Body api.CreateRequest }
	newSite    struct{ Body api.CreateRequest }
	newDevice  struct{ Body api.CreateRequest }
	newChannel struct{ Body api.CreateRequest }
)

func (r newOrg) scope() (calms.Path, error) {
	return calms.ParsePathAt(r.Body.Path, calms.LevelOrganisation)
}

func (r newSite) scope() (calms.Path, error) { return calms.ParsePathAt(r.Body.Path, calms.LevelSite) }

func (r newDevice) scope() (calms.Path, error) {
	return calms.ParsePathAt(r.Body.Path, calms.LevelDevice)
}

func (r newChannel) scope() (calms.Path, error) {
	return calms.ParsePathAt(r.Body.Path, calms.LevelChannel)
}
