package main

import (
	"context"
	"crypto/x509"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/cloud/fleet"
	"go.calms.com/calms/pkg/cloud/pki"
	"go.calms.com/calms/pkg/wire"
)

// enrollment answers edges that ask for certificates.
type enrollment struct{ *cloud }

// Enroll implements [httpapi.Enrollment]: the ticket is fleet's, the rest is
// what an edge must know of the cloud.
func (e enrollment) Enroll(ctx context.Context, request api.EnrollRequest) (api.Enrollment, error) {
	enrolled, err := e.fleet.Enroll(ctx, request)
	if err != nil {
		return api.Enrollment{}, err
	}
	generation, err := e.generation(ctx, calms.DeviceID(enrolled.Device.ID))
	if err != nil {
		return api.Enrollment{}, err
	}
	return api.Enrollment{
		DeviceID:     enrolled.Device.ID,
		Path:         enrolled.Device.Path,
		Shard:        enrolled.Device.Shard,
		Certificate:  enrolled.Chain,
		Registration: e.register(enrolled),
		Generation:   generation,
		Links:        e.links(),
	}, nil
}

// generation is the highest that any journal of the device had.
func (e enrollment) generation(ctx context.Context, id calms.DeviceID) (highest uint64, err error) {
	journals, err := e.history.Journals(ctx, id)
	for _, j := range journals {
		highest = max(highest, j.ID.Generation)
	}
	return highest, err
}

// register signs what a restored cloud adopts the device from.
func (e enrollment) register(enrolled fleet.Enrolled) []byte {
	device := enrolled.Device
	registration := wire.Registration{
		Device:       calms.DeviceID(device.ID),
		Organisation: enrolled.Organisation,
		Path:         calms.Path(device.Path),
		Shard:        device.Shard,
	}
	if device.Enrolled != nil {
		registration.Issued = device.Enrolled.UnixNano()
	}
	body := wire.Encode(registration)
	return wire.Encode(wire.SignedRegistration{Body: body, Signature: e.fleet.Sign(body)})
}

// Renew implements [httpapi.Enrollment].
func (e enrollment) Renew(ctx context.Context, chain []*x509.Certificate, request []byte) (api.Renewed, error) {
	renewed, err := e.pki.Renew(ctx, chain, request)
	if err != nil {
		return api.Renewed{}, err
	}
	return api.Renewed{Certificate: renewed, Links: e.links()}, nil
}

// links is what edges must know of the cloud.
func (c *cloud) links() api.Links {
	links := api.Links{Broker: c.doors.brokerAddress(c.config), API: c.doors.apiURL(c.config)}
	for _, a := range c.pki.Authorities() {
		if a.Kind == pki.Root {
			links.Authorities = append(links.Authorities, certs.DER(a.Certificate)...)
		}
	}
	for _, key := range c.ingest.Keys() {
		links.IngestKeys = append(links.IngestKeys, api.IngestKey{ID: key.ID, PublicKey: key.Public, Created: key.Created})
	}
	return links
}

// pastExpiry keeps expired certificates out while it is not known for certain
// who was revoked after the snapshot that this cloud was restored from.
func (c *cloud) pastExpiry(context.Context) error {
	if !c.place.has(incompleteName) {
		return nil
	}
	return calms.Errorf(calms.KindForbidden, "expired certificates are not renewed: the restore could not read every revocation").
		WithHint("an operator re-authorises the device: calmsctl device provision PATH, then calms-edge enroll on the site")
}

// revoker shuts devices out.
type revoker struct{ *cloud }

// Revoke implements [httpapi.Revoker]. The certificate authority's transaction
// is the revocation; connections are cut as soon as it is committed, before the
// repository is told.
func (r revoker) Revoke(ctx context.Context, path calms.Path, reason string) (api.Revoked, error) {
	device, err := r.fleet.Device(ctx, path)
	if err != nil {
		return api.Revoked{}, err
	}
	id := calms.DeviceID(device.ID)
	revocation, err := r.pki.Revoke(ctx, id, reason)
	if err != nil {
		return api.Revoked{}, err
	}
	device.State = api.DeviceRevoked
	return api.Revoked{Device: device, Disconnected: r.cut.taken(id), Complete: revocation.Complete}, nil
}
