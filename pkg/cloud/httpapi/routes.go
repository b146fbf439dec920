package httpapi

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"go.calms.com/calms/pkg/calms"
)

// The actions that routes ask for. Permissions name them: never rename one.
const (
	StatusRead      calms.Action = "status:read"
	AlarmRead       calms.Action = "alarm:read"
	AlarmClear      calms.Action = "alarm:clear"
	OrgRead         calms.Action = "org:read"
	OrgCreate       calms.Action = "org:create"
	OrgDelete       calms.Action = "org:delete"
	SiteRead        calms.Action = "site:read"
	SiteCreate      calms.Action = "site:create"
	SiteDelete      calms.Action = "site:delete"
	DeviceRead      calms.Action = "device:read"
	DeviceCreate    calms.Action = "device:create"
	DeviceDelete    calms.Action = "device:delete"
	DeviceProvision calms.Action = "device:provision"
	DeviceRevoke    calms.Action = "device:revoke"
	ChannelRead     calms.Action = "channel:read"
	ChannelCreate   calms.Action = "channel:create"
	ChannelDelete   calms.Action = "channel:delete"
	DataRead        calms.Action = "data:read"
	BackupRead      calms.Action = "backup:read"
	BackupCreate    calms.Action = "backup:create"
	BackupSetup     calms.Action = "backup:setup"
	KeyRead         calms.Action = "key:read"
	KeyRotate       calms.Action = "key:rotate"
)

// Actions lists every action, for whoever grants them all.
func Actions() []calms.Action {
	return []calms.Action{
		StatusRead, AlarmRead, AlarmClear, OrgRead, OrgCreate, OrgDelete, SiteRead, SiteCreate, SiteDelete,
		DeviceRead, DeviceCreate, DeviceDelete, DeviceProvision, DeviceRevoke,
		ChannelRead, ChannelCreate, ChannelDelete, DataRead, BackupRead, BackupCreate, BackupSetup, KeyRead, KeyRotate,
	}
}

// The methods, short enough for the table.
const (
	get  = http.MethodGet
	post = http.MethodPost
	del  = http.MethodDelete
)

// routes is the table: every route, what the operator must be allowed to do
// there, and who answers.
func (d *door) routes() {
	d.ownRoutes()
	d.fleetRoutes()
	d.dataRoutes()
	d.backupRoutes()
	d.keyRoutes()
	d.edgeRoutes()
}

func (d *door) ownRoutes() {
	add(d, route{get, "/v1/version", "version", public, "The program's version"}, d.version)
	add(d, route{get, "/v1/healthz", "health", public, "Whether the process answers"}, d.healthz)
	add(d, route{get, "/v1/status", "status", StatusRead, "One look at the whole installation"}, d.status)
	add(d, route{get, "/v1/alarms", "list-alarms", AlarmRead, "Active alarms"}, d.alarms)
	add(d, route{post, "/v1/alarms/clear", "clear-alarm", AlarmClear, "End an alarm that somebody has looked at"}, d.clearAlarm)
}

func (d *door) fleetRoutes() {
	add(d, route{get, "/v1/orgs", "list-orgs", OrgRead, "List organisations"}, list(d.Fleet.Orgs))
	add(d, route{post, "/v1/orgs", "create-org", OrgCreate, "Create an organisation"}, on[newOrg](d.Fleet.CreateOrg))
	add(d, route{get, "/v1/orgs/{org}", "get-org", OrgRead, "Show an organisation"}, on[atOrg](d.Fleet.Org))
	addDelete(d, route{del, "/v1/orgs/{org}", "delete-org", OrgDelete, "Delete an organisation without sites"}, remove[atOrg](d.Fleet.DeleteOrg))

	add(d, route{get, "/v1/sites", "list-sites", SiteRead, "List sites"}, list(d.Fleet.Sites))
	add(d, route{post, "/v1/sites", "create-site", SiteCreate, "Create a site"}, on[newSite](d.Fleet.CreateSite))
	add(d, route{get, "/v1/sites/{org}/{site}", "get-site", SiteRead, "Show a site"}, on[atSite](d.Fleet.Site))
	addDelete(d, route{del, "/v1/sites/{org}/{site}", "delete-site", SiteDelete, "Delete a site without devices"}, remove[atSite](d.Fleet.DeleteSite))

	const device = "/v1/devices/{org}/{site}/{device}"
	add(d, route{get, "/v1/devices", "list-devices", DeviceRead, "List devices"}, list(d.devices))
	add(d, route{post, "/v1/devices", "create-device", DeviceCreate, "Create a device"}, on[newDevice](d.Fleet.CreateDevice))
	add(d, route{get, device, "get-device", DeviceRead, "Show a device with its journals and gaps"}, on[AtDevice](d.device))
	addDelete(d, route{del, device, "delete-device", DeviceDelete, "Delete a device"}, remove[AtDevice](d.Fleet.DeleteDevice))
	add(d, route{post, device + "/provision", "provision-device", DeviceProvision, "Make a one-time enrolment ticket"}, d.provision)
	add(d, route{post, device + "/revoke", "revoke-device", DeviceRevoke, "Shut a device out at once"}, d.revoke)

	const channel = "/v1/channels/{org}/{site}/{device}/{channel}"
	add(d, route{get, "/v1/channels", "list-channels", ChannelRead, "List channels"}, list(d.Fleet.Channels))
	add(d, route{post, "/v1/channels", "create-channel", ChannelCreate, "Declare a channel"}, d.createChannel)
	add(d, route{get, channel, "get-channel", ChannelRead, "Show a channel"}, on[atChannel](d.Fleet.Channel))
	addDelete(d, route{del, channel, "delete-channel", ChannelDelete, "Delete a channel's declaration"}, remove[atChannel](d.Fleet.DeleteChannel))
}

func (d *door) dataRoutes() {
	add(d, route{get, "/v1/data/query", "query-data", DataRead, "The newest samples of a channel in a range"}, d.query)
	add(d, route{get, "/v1/data/digest", "digest-data", DataRead, "A range of a channel in equal buckets"}, d.digest)
	addStream(d, route{get, "/v1/data/export", "export-data", DataRead, "Stream all samples below a path"}, d.export, csvText, jsonLines)
	addStream(d, route{get, "/v1/data/tail", "tail-data", DataRead, "Stream samples as they are stored"}, d.tail, jsonLines)
}

func (d *door) backupRoutes() {
	const snapshot = "/v1/backup/snapshots/{id}"
	add(d, route{get, "/v1/backup/repository", "get-repository", BackupRead, "Show the repository"}, d.repository)
	add(d, route{post, "/v1/backup/repository", "create-repository", BackupSetup, "Make a repository"}, d.createRepository)
	add(d, route{get, "/v1/backup/snapshots", "list-snapshots", BackupRead, "List snapshots, newest first"}, d.snapshots)
	add(d, route{post, "/v1/backup/snapshots", "create-snapshot", BackupCreate, "Begin a snapshot"}, d.createSnapshot, accepted)
	add(d, route{get, snapshot, "get-snapshot", BackupRead, "Show a snapshot"}, d.snapshot)
	add(d, route{post, snapshot + "/verify", "verify-snapshot", BackupRead, "Read a snapshot's packs and compare their hashes"}, d.verifySnapshot, slow)
}

func (d *door) keyRoutes() {
	add(d, route{get, "/v1/keys", "list-keys", KeyRead, "The keys that edges seal to, newest first"}, d.keys)
	add(d, route{post, "/v1/keys", "rotate-key", KeyRotate, "Make a new key, used as soon as a snapshot holds it"}, d.rotateKey)
}

func (d *door) edgeRoutes() {
	add(d, route{post, "/v1/edge/enroll", "enroll", public, "Trade a ticket for a certificate"}, d.enroll, limited(d.enrolls))
	add(d, route{post, "/v1/edge/renew", "renew", public, "Trade a certificate for a new one"}, d.renew, limited(d.renewals), presented)
}

// accepted makes the answer 202: the work has begun.
func accepted(op *huma.Operation) { op.DefaultStatus = http.StatusAccepted }

// slow lifts the server's bound on the time until the answer.
func slow(op *huma.Operation) {
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		_, w := humago.Unwrap(ctx)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // where there is none it need not be lifted
		next(ctx)
	})
}
