package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
)

// Prover tries a certificate by a real connection where it will be used.
type Prover func(ctx context.Context, certificate *tls.Certificate) error

// Renewal is how an identity renews its certificate.
type Renewal struct {
	Version string // of the program, told to the cloud
	Now     func() time.Time
	Prove   Prover
}

// Renewer returns the function that a [certs.Renewer] calls. It works in two
// steps: the successor is on disk before it is proved, and takes the place of
// the old certificate only when it has been. An attempt that comes between does
// not ask for another certificate, but proves the one that there is.
func (i *Identity) Renewer(r Renewal) certs.RenewFunc {
	return func(ctx context.Context, old *tls.Certificate) (*tls.Certificate, error) {
		next, err := i.next(r.Now())
		if err != nil {
			return nil, err
		}
		if next == nil {
			if next, err = i.request(ctx, r, old); err != nil {
				return nil, err
			}
		}
		if err := r.Prove(ctx, next); err != nil {
			return nil, calms.Wrap("prove new certificate", err)
		}
		return next, calms.Wrap("keep certificate", i.promote(next))
	}
}

// next is a successor that waits to be proved, nil where there is none that has
// a good part of its life before it.
func (i *Identity) next(now time.Time) (*tls.Certificate, error) {
	next, err := readPair(filepath.Join(i.dir, nextName))
	if errors.Is(err, fs.ErrNotExist) || calms.KindOf(err) == calms.KindInvalid {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	leaf := next.Leaf
	if id, err := certs.DeviceOf(leaf); err != nil || id != i.Device() {
		return nil, nil
	}
	if now.After(leaf.NotAfter.Add(-leaf.NotAfter.Sub(certs.IssuedAt(leaf)) / 2)) {
		return nil, nil
	}
	return next, nil
}

// request gets a certificate for a new key from the cloud.
func (i *Identity) request(ctx context.Context, r Renewal, old *tls.Certificate) (*tls.Certificate, error) {
	key, err := certs.NewKey(algorithmOf(old))
	if err != nil {
		return nil, err
	}
	csr, err := certs.NewRequest(key, string(i.Device()))
	if err != nil {
		return nil, err
	}
	client, err := i.Client(r.Version, old)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	answer, err := client.RenewDevice(ctx, api.RenewRequest{CSR: csr})
	if err != nil {
		return nil, err
	}
	next, err := takeChain(key, answer.Certificate, i.Device())
	if err != nil {
		return nil, calms.Wrap("the cloud's answer", err)
	}
	if err := i.relink(answer.Links); err != nil {
		return nil, err
	}
	return next, writePair(filepath.Join(i.dir, nextName), next)
}

// algorithmOf keeps to the kind of key that the operator chose at enrolment.
func algorithmOf(c *tls.Certificate) certs.Algorithm {
	if _, elliptic := c.PrivateKey.(*ecdsa.PrivateKey); elliptic {
		return certs.P256
	}
	return certs.RSA2048
}

// Client calls the cloud's API, as this device where a certificate is given.
func (i *Identity) Client(version string, certificate *tls.Certificate) (*api.Client, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return api.NewClient(api.Config{URL: i.cloud.API, CA: certs.EncodeChain(i.cloud.roots...), Certificate: certificate, Version: version})
}

// relink takes over where the cloud says it is now. An answer that makes no
// sense changes nothing.
func (i *Identity) relink(links api.Links) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	changed := i.cloud
	changed.Links = links
	if err := changed.checkLinks(); err != nil {
		return calms.Wrap("the cloud's answer", err)
	}
	return i.keep(changed)
}

// promote puts a proved certificate in the place of the old one.
func (i *Identity) promote(next *tls.Certificate) error {
	if err := writePair(filepath.Join(i.dir, deviceName), next); err != nil {
		return err
	}
	i.mu.Lock()
	i.certificate = next
	i.mu.Unlock()
	err := os.Remove(filepath.Join(i.dir, nextName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
