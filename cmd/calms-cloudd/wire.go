package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/cloud/broker"
	"go.calms.com/calms/pkg/cloud/fleet"
	"go.calms.com/calms/pkg/cloud/httpapi"
	"go.calms.com/calms/pkg/cloud/identity"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/cloud/pki"
	"go.calms.com/calms/pkg/wire"
)

// What one service needs of others, in the form in which it asks for it.

// operators tells the API who somebody is. There is one kind of operator so
// far, and it may do everything.
type operators struct{ identity *identity.Service }

// Authenticate implements [httpapi.Authenticator].
func (o operators) Authenticate(ctx context.Context, key string) (httpapi.Operator, error) {
	known, err := o.identity.Authenticate(ctx, key)
	if err != nil {
		return httpapi.Operator{}, err
	}
	operator := httpapi.Operator{Name: known.Name}
	for _, action := range httpapi.Actions() {
		operator.Permissions = append(operator.Permissions, calms.Permission{Action: action})
	}
	return operator, nil
}

// authorizer lets devices into the broker.
type authorizer struct {
	pki   *pki.Service
	fleet *fleet.Service
}

// AuthorizeDevice implements [broker.Authorizer]. A device that the fleet does
// not know holds a certificate of ours all the same: a restored cloud has
// forgotten it, and adopts it from the registration in its hello.
func (a authorizer) AuthorizeDevice(ctx context.Context, _ *x509.Certificate, chain []*x509.Certificate) (calms.DeviceID, uint32, error) {
	id, err := a.pki.Admit(ctx, chain)
	if err != nil {
		return "", 0, err
	}
	device, err := a.fleet.DeviceByID(ctx, id)
	if calms.KindOf(err) == calms.KindNotFound {
		return id, fleet.ShardOf(id), nil
	}
	return id, device.Shard, err
}

// ValidUntil implements [broker.Authorizer].
func (a authorizer) ValidUntil(ctx context.Context, id calms.DeviceID) (time.Time, error) {
	return a.pki.ValidUntil(ctx, id)
}

// devices tells ingest whom to believe.
type devices struct {
	pki   *pki.Service
	fleet *fleet.Service
}

// Verify implements [ingest.Devices].
func (d devices) Verify(chain []*x509.Certificate) (calms.DeviceID, error) {
	return d.pki.Verify(chain)
}

// Revoked implements [ingest.Devices].
func (d devices) Revoked(id calms.DeviceID) bool { return d.pki.Revoked(id) }

// Admit implements [ingest.Devices].
func (d devices) Admit(ctx context.Context, id calms.DeviceID, signed wire.SignedRegistration) (calms.Path, error) {
	if !d.fleet.Verify(signed.Body, signed.Signature) {
		return "", calms.Errorf(calms.KindForbidden, "the registration of %s is not of this cloud", id).
			WithHint("enrol the device with a new ticket")
	}
	var r wire.Registration
	if err := wire.Decode("registration", signed.Body, &r); err != nil {
		return "", err
	}
	if r.Device != id {
		return "", calms.Errorf(calms.KindForbidden, "%s shows the registration of %s", id, r.Device)
	}
	device, err := d.fleet.Adopt(ctx, id, r.Organisation, r.Path, r.Shard, time.Unix(0, r.Issued))
	if err != nil {
		return "", err
	}
	return calms.Path(device.Path), d.fleet.Seen(ctx, id, time.Now())
}

// Describe implements [ingest.Devices].
func (d devices) Describe(ctx context.Context, id calms.DeviceID, channels []wire.Channel) error {
	for _, c := range channels {
		if err := d.fleet.DescribeChannel(ctx, id, c.Name, c.Unit, c.Description); err != nil {
			return err
		}
	}
	return nil
}

// downlink is the broker for ingest, which is made before it.
type downlink struct{ cloud *cloud }

// Publish implements [ingest.Link].
func (d downlink) Publish(id calms.DeviceID, stream string, payload []byte) error {
	return d.cloud.broker.Publish(id, stream, payload)
}

// connections tells the API who is connected.
type connections struct{ broker *broker.Broker }

// Connected implements [httpapi.Connections].
func (c connections) Connected() map[calms.DeviceID]bool {
	connected := map[calms.DeviceID]bool{}
	for _, session := range c.broker.Connected() {
		connected[session.Device] = true
	}
	return connected
}

// cutter cuts the connections of revoked devices and remembers how many.
type cutter struct {
	mu  sync.Mutex
	cut map[calms.DeviceID]int // guarded by mu; taken out by taken
}

func (c *cutter) disconnect(b *broker.Broker, id calms.DeviceID) {
	n := b.Disconnect(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut == nil {
		c.cut = map[calms.DeviceID]int{}
	}
	c.cut[id] += n
}

// taken tells how many connections of a device were cut since it was asked last.
func (c *cutter) taken(id calms.DeviceID) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.cut[id]
	delete(c.cut, id)
	return n
}

// deviceAuthorities are asked at each handshake with the broker.
func (c *cloud) deviceAuthorities() *x509.CertPool { return c.pki.Pool(pki.Devices) }

// newRenewer keeps a certificate of one of our listeners fresh. Its key lives in
// memory only: a start gets a new one.
func (c *cloud) newRenewer(ctx context.Context, name string) (*certs.Renewer, error) {
	issue := func(ctx context.Context, _ *tls.Certificate) (*tls.Certificate, error) {
		return c.pki.ServiceCertificate(ctx, name, c.config.Public.Hosts)
	}
	first, err := issue(ctx, nil)
	if err != nil {
		return nil, err
	}
	return certs.NewRenewer(first, issue, nil, c.log.With("certificate", name))
}

// ingestKeys shows and rotates ingest's keys.
type ingestKeys struct{ ingest *ingest.Ingest }

// Keys implements [httpapi.Keys].
func (k ingestKeys) Keys() []api.Key {
	all := k.ingest.AllKeys()
	inUse := false // the newest active one is
	keys := make([]api.Key, 0, len(all))
	for _, key := range all {
		shown := keyOf(key)
		if shown.Active != nil && !inUse {
			shown.State, inUse = api.KeyInUse, true
		}
		keys = append(keys, shown)
	}
	return keys
}

// Rotate implements [httpapi.Keys].
func (k ingestKeys) Rotate(ctx context.Context) (api.Key, error) {
	key, err := k.ingest.RotateKey(ctx)
	return keyOf(key), err
}

func keyOf(key ingest.Key) api.Key {
	shown := api.Key{ID: key.ID, State: api.KeyWaiting, Created: key.Created}
	if !key.Active.IsZero() {
		shown.State, shown.Active = api.KeyRetired, &key.Active
	}
	return shown
}
