package api

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
)

type nothing struct{}

// Version asks GET /v1/version; no key is needed.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return call[Version](ctx, c, "GET", "/v1/version", nil, nil)
}

// Status asks GET /v1/status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, "GET", "/v1/status", nil, nil)
}

// ListAlarms is GET /v1/alarms: those that are active.
func (c *Client) ListAlarms(ctx context.Context) ([]Alarm, error) {
	return list[Alarm](ctx, c, "/v1/alarms", nil)
}

// ListKeys is GET /v1/keys, newest first.
func (c *Client) ListKeys(ctx context.Context) ([]Key, error) {
	return list[Key](ctx, c, "/v1/keys", nil)
}

// RotateKey is POST /v1/keys.
func (c *Client) RotateKey(ctx context.Context) (Key, error) {
	return call[Key](ctx, c, "POST", "/v1/keys", nil, nil)
}

// CreateOrg is POST /v1/orgs.
func (c *Client) CreateOrg(ctx context.Context, request CreateRequest) (Org, error) {
	return call[Org](ctx, c, "POST", "/v1/orgs", nil, request)
}

// ListOrgs is GET /v1/orgs: what lies at or below prefix, empty is all.
func (c *Client) ListOrgs(ctx context.Context, prefix calms.Path) ([]Org, error) {
	return list[Org](ctx, c, "/v1/orgs", below(prefix))
}

// GetOrg is GET /v1/orgs/{org}.
func (c *Client) GetOrg(ctx context.Context, path calms.Path) (Org, error) {
	return call[Org](ctx, c, "GET", "/v1/orgs/"+escaped(path), nil, nil)
}

// DeleteOrg is DELETE /v1/orgs/{org}.
func (c *Client) DeleteOrg(ctx context.Context, path calms.Path) error {
	return c.remove(ctx, "/v1/orgs/"+escaped(path))
}

// CreateSite is POST /v1/sites.
func (c *Client) CreateSite(ctx context.Context, request CreateRequest) (Site, error) {
	return call[Site](ctx, c, "POST", "/v1/sites", nil, request)
}

// ListSites is GET /v1/sites: what lies at or below prefix, empty is all.
func (c *Client) ListSites(ctx context.Context, prefix calms.Path) ([]Site, error) {
	return list[Site](ctx, c, "/v1/sites", below(prefix))
}

// GetSite is GET /v1/sites/{org}/{site}.
func (c *Client) GetSite(ctx context.Context, path calms.Path) (Site, error) {
	return call[Site](ctx, c, "GET", "/v1/sites/"+escaped(path), nil, nil)
}

// DeleteSite is DELETE /v1/sites/{org}/{site}.
func (c *Client) DeleteSite(ctx context.Context, path calms.Path) error {
	return c.remove(ctx, "/v1/sites/"+escaped(path))
}

// CreateDevice is POST /v1/devices.
func (c *Client) CreateDevice(ctx context.Context, request CreateRequest) (Device, error) {
	return call[Device](ctx, c, "POST", "/v1/devices", nil, request)
}

// ListDevices is GET /v1/devices: what lies at or below prefix, empty is all.
func (c *Client) ListDevices(ctx context.Context, prefix calms.Path) ([]Device, error) {
	return list[Device](ctx, c, "/v1/devices", below(prefix))
}

// GetDevice is GET /v1/devices/{org}/{site}/{device}.
func (c *Client) GetDevice(ctx context.Context, path calms.Path) (Device, error) {
	return call[Device](ctx, c, "GET", "/v1/devices/"+escaped(path), nil, nil)
}

// DeleteDevice is DELETE /v1/devices/{org}/{site}/{device}.
func (c *Client) DeleteDevice(ctx context.Context, path calms.Path) error {
	return c.remove(ctx, "/v1/devices/"+escaped(path))
}

// ProvisionDevice is POST /v1/devices/{org}/{site}/{device}/provision.
func (c *Client) ProvisionDevice(ctx context.Context, path calms.Path, request ProvisionRequest) (Provisioned, error) {
	return call[Provisioned](ctx, c, "POST", "/v1/devices/"+escaped(path)+"/provision", nil, request)
}

// RevokeDevice is POST /v1/devices/{org}/{site}/{device}/revoke.
func (c *Client) RevokeDevice(ctx context.Context, path calms.Path, request RevokeRequest) (Revoked, error) {
	return call[Revoked](ctx, c, "POST", "/v1/devices/"+escaped(path)+"/revoke", nil, request)
}

// CreateChannel is POST /v1/channels.
func (c *Client) CreateChannel(ctx context.Context, request CreateRequest) (Channel, error) {
	return call[Channel](ctx, c, "POST", "/v1/channels", nil, request)
}

// ListChannels is GET /v1/channels: what lies at or below prefix, empty is all.
func (c *Client) ListChannels(ctx context.Context, prefix calms.Path) ([]Channel, error) {
	return list[Channel](ctx, c, "/v1/channels", below(prefix))
}

// GetChannel is GET /v1/channels/{org}/{site}/{device}/{channel}.
func (c *Client) GetChannel(ctx context.Context, path calms.Path) (Channel, error) {
	return call[Channel](ctx, c, "GET", "/v1/channels/"+escaped(path), nil, nil)
}

// DeleteChannel is DELETE /v1/channels/{org}/{site}/{device}/{channel}.
func (c *Client) DeleteChannel(ctx context.Context, path calms.Path) error {
	return c.remove(ctx, "/v1/channels/"+escaped(path))
}

// Query is GET /v1/data/query: the newest samples of one channel in a range.
func (c *Client) Query(ctx context.Context, q Query) (Series, error) {
	return call[Series](ctx, c, "GET", "/v1/data/query", q.values(), nil)
}

// Digest is GET /v1/data/digest: a range of one channel in equal buckets.
func (c *Client) Digest(ctx context.Context, path string, from, to time.Time, buckets int) (Digest, error) {
	query := Query{Path: path, From: from, To: to}.values()
	query.Set("buckets", strconv.Itoa(buckets))
	return call[Digest](ctx, c, "GET", "/v1/data/digest", query, nil)
}

// RenewDevice is POST /v1/edge/renew, with [Config.Certificate].
func (c *Client) RenewDevice(ctx context.Context, request RenewRequest) (Renewed, error) {
	return call[Renewed](ctx, c, "POST", "/v1/edge/renew", nil, request)
}

// GetRepository is GET /v1/backup/repository.
func (c *Client) GetRepository(ctx context.Context) (Repository, error) {
	return call[Repository](ctx, c, "GET", "/v1/backup/repository", nil, nil)
}

// CreateRepository is POST /v1/backup/repository.
func (c *Client) CreateRepository(ctx context.Context, request RepositoryRequest) (Repository, error) {
	return call[Repository](ctx, c, "POST", "/v1/backup/repository", nil, request)
}

// ListSnapshots is GET /v1/backup/snapshots, newest first.
func (c *Client) ListSnapshots(ctx context.Context) ([]Snapshot, error) {
	return list[Snapshot](ctx, c, "/v1/backup/snapshots", nil)
}

// CreateSnapshot is POST /v1/backup/snapshots; the answer's state is running.
func (c *Client) CreateSnapshot(ctx context.Context) (Snapshot, error) {
	return call[Snapshot](ctx, c, "POST", "/v1/backup/snapshots", nil, nil)
}

// GetSnapshot is GET /v1/backup/snapshots/{id}.
func (c *Client) GetSnapshot(ctx context.Context, id string) (Snapshot, error) {
	return call[Snapshot](ctx, c, "GET", "/v1/backup/snapshots/"+url.PathEscape(id), nil, nil)
}

// VerifySnapshot is POST /v1/backup/snapshots/{id}/verify. It reads the whole
// snapshot, so only ctx bounds it.
func (c *Client) VerifySnapshot(ctx context.Context, id string) (Verification, error) {
	return callSlow[Verification](ctx, c, "POST", "/v1/backup/snapshots/"+url.PathEscape(id)+"/verify", nil, nil)
}

// Recovery is GET /v1/recovery, of a daemon in recovery mode.
func (c *Client) Recovery(ctx context.Context) (Recovery, error) {
	return call[Recovery](ctx, c, "GET", "/v1/recovery", nil, nil)
}

// Restore is POST /v1/recovery/restore: it begins, [Client.Recovery] follows.
func (c *Client) Restore(ctx context.Context, request RestoreRequest) (Recovery, error) {
	return call[Recovery](ctx, c, "POST", "/v1/recovery/restore", nil, request)
}

func list[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	page, err := call[Page[T]](ctx, c, "GET", path, query, nil)
	return page.Items, err
}

// escaped is a path as part of an address, so that whatever was typed stays in
// its segments.
func escaped(path calms.Path) string {
	segments := strings.Split(string(path), "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return strings.Join(segments, "/")
}

func below(prefix calms.Path) url.Values {
	if prefix == "" {
		return nil
	}
	return url.Values{"prefix": {string(prefix)}}
}

func (c *Client) remove(ctx context.Context, path string) error {
	_, err := call[nothing](ctx, c, "DELETE", path, nil, nil)
	return err
}

// values are the query parameters of q; what is zero is left out.
func (q Query) values() url.Values {
	values := url.Values{"path": {q.Path}}
	for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !at.IsZero() {
			values.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	return values
}
