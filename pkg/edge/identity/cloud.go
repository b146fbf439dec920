package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/durable"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

const cloudVersion = 1

// cloudFile is the content of cloud.json.
type cloudFile struct {
	Version      int            `json:"version"`
	Device       calms.DeviceID `json:"device"`
	Path         calms.Path     `json:"path"`
	Shard        uint32         `json:"shard"`
	Registration []byte         `json:"registration"`
	Generation   uint64         `json:"generation"`
	api.Links

	signed wire.SignedRegistration // of Registration
	roots  []*x509.Certificate     // of Authorities
}

// newCloud takes an enrolment's answer over, once it makes sense.
func newCloud(e api.Enrollment) (cloudFile, error) {
	c := cloudFile{
		Version: cloudVersion, Device: calms.DeviceID(e.DeviceID), Path: calms.Path(e.Path), Shard: e.Shard,
		Registration: e.Registration, Generation: e.Generation, Links: e.Links,
	}
	return c, c.check()
}

// check parses what the fields carry.
func (c *cloudFile) check() error {
	if _, err := calms.ParseDeviceID(string(c.Device)); err != nil {
		return err
	}
	if _, err := calms.ParsePathAt(string(c.Path), calms.LevelDevice); err != nil {
		return err
	}
	if err := wire.Decode("registration", c.Registration, &c.signed); err != nil {
		return err
	}
	return c.checkLinks()
}

func (c *cloudFile) checkLinks() error {
	var err error
	if c.roots, err = certs.ParseDER(c.Authorities); err != nil {
		return calms.Wrap("authorities", err)
	}
	if c.Broker == "" || c.API == "" || len(c.IngestKeys) == 0 {
		return calms.Errorf(calms.KindInvalid, "the cloud told no address or no ingest key")
	}
	for _, k := range c.IngestKeys {
		if _, err := seal.ParseIngestKey(wire.IngestKey{ID: k.ID, PublicKey: k.PublicKey}); err != nil {
			return err
		}
	}
	return nil
}

func readCloud(path string) (cloudFile, error) {
	var c cloudFile
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, calms.Errorf(calms.KindInvalid, "%s: %w", path, err)
	}
	if c.Version > cloudVersion {
		return c, calms.Errorf(calms.KindInvalid, "%s has version %d, this program reads up to %d", path, c.Version, cloudVersion).
			WithHint("run the calms-edge that wrote it, or a newer one")
	}
	return c, calms.Wrap(path, c.check())
}

func (c cloudFile) write(dir string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, cloudName), text, 0o600)
}

func sameKeys(a, b []api.IngestKey) bool {
	return slices.EqualFunc(a, b, func(x, y api.IngestKey) bool {
		return x.ID == y.ID && bytes.Equal(x.PublicKey, y.PublicKey)
	})
}
