package httpapi

import (
	"context"
	"crypto/x509"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/wire"
)

// Services are the parts that the routes stand on. All are required and safe
// for concurrent use. Their errors carry a kind (see [calms.Error]); the text
// of an error without one is logged and not sent.
type Services struct {
	Identity   Authenticator
	Fleet      Fleet
	Revoker    Revoker
	History    History
	Broker     Connections
	Margins    Margins
	Alarms     Alarms
	Backup     Backup
	Enrollment Enrollment
	Status     Status
	Keys       Keys
}

// Operator is the person or script that a request acts for.
type Operator struct {
	Name        string
	Permissions []calms.Permission
}

// Allows reports whether the operator may do something at a path.
func (o Operator) Allows(action calms.Action, path calms.Path) bool {
	for _, p := range o.Permissions {
		if p.Allows(action, path) {
			return true
		}
	}
	return false
}

// Authenticator knows the operators. The error for a key that nobody holds is
// [calms.KindUnauthenticated].
type Authenticator interface {
	Authenticate(ctx context.Context, key string) (Operator, error)
}

// Fleet owns the tree of organisations, sites, devices and channels. Lists hold
// everything at or below prefix, ordered by path. Of a device it fills what the
// fleet knows; connection, journals and gaps are joined here.
type Fleet interface {
	CreateOrg(ctx context.Context, path calms.Path) (api.Org, error)
	Org(ctx context.Context, path calms.Path) (api.Org, error)
	Orgs(ctx context.Context, prefix calms.Path) ([]api.Org, error)
	DeleteOrg(ctx context.Context, path calms.Path) error

	CreateSite(ctx context.Context, path calms.Path) (api.Site, error)
	Site(ctx context.Context, path calms.Path) (api.Site, error)
	Sites(ctx context.Context, prefix calms.Path) ([]api.Site, error)
	DeleteSite(ctx context.Context, path calms.Path) error

	CreateDevice(ctx context.Context, path calms.Path) (api.Device, error)
	Device(ctx context.Context, path calms.Path) (api.Device, error)
	Devices(ctx context.Context, prefix calms.Path) ([]api.Device, error)
	DeleteDevice(ctx context.Context, path calms.Path) error
	Provision(ctx context.Context, path calms.Path, ttlSeconds int) (api.Provisioned, error)

	CreateChannel(ctx context.Context, channel api.CreateRequest) (api.Channel, error)
	Channel(ctx context.Context, path calms.Path) (api.Channel, error)
	Channels(ctx context.Context, prefix calms.Path) ([]api.Channel, error)
	DeleteChannel(ctx context.Context, path calms.Path) error
}

// Revoker shuts a device out, everywhere and at once: when it returns, the
// device's live connections are cut and its certificates refused.
type Revoker interface {
	Revoke(ctx context.Context, path calms.Path, reason string) (api.Revoked, error)
}

// History holds the samples, see [history.History]. Times are nanoseconds since
// 1970 UTC; from is inclusive, to exclusive.
type History interface {
	Query(ctx context.Context, device calms.DeviceID, channel string, from, to int64, limit int) (history.Result, error)
	Digest(ctx context.Context, device calms.DeviceID, channel string, from, to int64, buckets int) ([]history.Digest, error)
	Walk(ctx context.Context, device calms.DeviceID, channel string, from, to int64, f func(calms.Sample) error) (losers uint64, err error)
	Channels(ctx context.Context, device calms.DeviceID) ([]wire.Channel, error)
	Tail(ctx context.Context, f func(device calms.DeviceID, channel string, s calms.Sample) error) error
	Journals(ctx context.Context, device calms.DeviceID) ([]replica.Journal, error)
	Gaps(ctx context.Context, device calms.DeviceID) ([]history.StoredGap, error)
}

// Connections knows which devices are connected to the broker.
type Connections interface {
	Connected() map[calms.DeviceID]bool
}

// Margins works out the replay margin of a device from its journals; nil where
// the device never said what it holds.
type Margins interface {
	Margin(journals []replica.Journal) *api.Margin
}

// Alarms is the board of active alarms.
type Alarms interface {
	Active() []api.Alarm
	// Clear ends an alarm, audited, and returns it; the kind is
	// [calms.KindNotFound] where none stands.
	Clear(ctx context.Context, kind, subject string) (api.Alarm, error)
}

// Backup makes snapshots into a repository.
type Backup interface {
	Status(ctx context.Context) (api.BackupStatus, error)
	Init(ctx context.Context, request api.RepositoryRequest) (api.Repository, error)
	// Create begins a snapshot and returns at once.
	Create(ctx context.Context) (api.Snapshot, error)
	List(ctx context.Context) ([]api.Snapshot, error)
	Snapshot(ctx context.Context, id string) (api.Snapshot, error)
	Verify(ctx context.Context, id string) (api.Verification, error)
}

// Keys are what edges seal to.
type Keys interface {
	Keys() []api.Key // newest first
	Rotate(ctx context.Context) (api.Key, error)
}

// Enrollment gives edges their certificates.
type Enrollment interface {
	Enroll(ctx context.Context, request api.EnrollRequest) (api.Enrollment, error)
	// Renew verifies chain, the certificates that the connection presented, leaf
	// first, by itself: TLS has proved nothing but the possession of the leaf's
	// key.
	Renew(ctx context.Context, chain []*x509.Certificate, csr []byte) (api.Renewed, error)
}

// Status looks at the whole installation.
type Status interface {
	Status(ctx context.Context) (api.Status, error)
}
