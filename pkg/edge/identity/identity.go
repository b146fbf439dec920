package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

const (
	deviceName    = "device.pem"
	nextName      = "next.pem"
	enrollingName = "enrolling.pem"
	cloudName     = "cloud.json"
)

// Identity is what one edge is. All methods are safe for concurrent use.
type Identity struct {
	dir    string
	device calms.DeviceID // never changes

	mu          sync.Mutex
	cloud       cloudFile        // guarded by mu
	certificate *tls.Certificate // guarded by mu; never changed, only replaced
}

// Open reads an identity. Where there is none the error is
// [calms.KindNotFound] and says how to enrol.
func Open(dir string) (*Identity, error) {
	certificate, err := readPair(filepath.Join(dir, deviceName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, calms.Errorf(calms.KindNotFound, "this edge is not enrolled: there is no certificate in %s", dir).
			WithHint("calms-edge enroll")
	}
	if err != nil {
		return nil, calms.Wrap("open identity", err)
	}
	i := &Identity{dir: dir, certificate: certificate}
	if i.cloud, err = readCloud(filepath.Join(dir, cloudName)); err != nil {
		return nil, calms.Wrap("open identity", err)
	}
	i.device = i.cloud.Device
	if id, err := certs.DeviceOf(certificate.Leaf); err != nil || id != i.device {
		return nil, calms.Errorf(calms.KindInvalid, "open identity: certificate and registration in %s are of different devices", dir).
			WithHint("calms-edge enroll --again, with a new ticket")
	}
	return i, nil
}

// Device is who this edge is.
func (i *Identity) Device() calms.DeviceID { return i.device }

// Path is the device's name at enrolment. Names may have changed since.
func (i *Identity) Path() calms.Path {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cloud.Path
}

// Shard is the part of the fleet that the device's topics belong to.
func (i *Identity) Shard() uint32 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cloud.Shard
}

// Registration is what the cloud signed, as hello carries it.
func (i *Identity) Registration() wire.SignedRegistration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cloud.signed
}

// Generation is the highest journal generation that the cloud knew of at
// enrolment.
func (i *Identity) Generation() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cloud.Generation
}

// Links is where the cloud is and whom to trust.
func (i *Identity) Links() api.Links {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cloud.Links
}

// Certificate is the one in force. Do not change it.
func (i *Identity) Certificate() *tls.Certificate {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.certificate
}

// Roots is the authorities to trust, as a pool.
func (i *Identity) Roots() *x509.CertPool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return certs.Pool(i.cloud.roots...)
}

// IngestKey is the newest key that batches may be sealed to.
func (i *Identity) IngestKey() (seal.IngestKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.cloud.IngestKeys) == 0 {
		return seal.IngestKey{}, calms.Errorf(calms.KindInvalid, "the cloud has told no ingest key").WithHint("calms-edge enroll --again, with a new ticket")
	}
	key := i.cloud.IngestKeys[0]
	return seal.ParseIngestKey(wire.IngestKey{ID: key.ID, PublicKey: key.PublicKey})
}

// Learn keeps the ingest keys that the cloud tells, newest first. Keys that
// cannot be used, or none at all, leave those that are known.
func (i *Identity) Learn(keys []wire.IngestKey) error {
	var told []api.IngestKey
	for _, k := range keys {
		if _, err := seal.ParseIngestKey(k); err != nil {
			return calms.Wrap("learn ingest keys", err)
		}
		told = append(told, api.IngestKey{ID: k.ID, PublicKey: k.PublicKey})
	}
	if len(told) == 0 {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if sameKeys(told, i.cloud.IngestKeys) {
		return nil
	}
	changed := i.cloud
	changed.IngestKeys = told
	return i.keep(changed)
}

// keep writes what is known of the cloud. The caller holds mu. What cannot be
// written is used until the process ends: it can be learnt again.
func (i *Identity) keep(changed cloudFile) error {
	i.cloud = changed
	return calms.Wrap("keep identity", changed.write(i.dir))
}

// makeDir makes the directory of an identity.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return calms.Wrap("make identity", err)
	}
	return nil
}
