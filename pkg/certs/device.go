package certs

import (
	"crypto/x509"
	"net/url"
	"strings"

	"go.calms.com/calms/pkg/calms"
)

const deviceURN = "calms:device:"

// DeviceURI is the URI that a device certificate carries: urn:calms:device:<id>.
func DeviceURI(id calms.DeviceID) *url.URL {
	return &url.URL{Scheme: "urn", Opaque: deviceURN + string(id)}
}

// DeviceOf tells which device a certificate belongs to. It reads the certificate
// and verifies nothing: verify the chain first. A certificate that is not in
// every respect a device's is refused ([calms.KindUnauthenticated]).
func DeviceOf(c *x509.Certificate) (calms.DeviceID, error) {
	if c.IsCA || len(c.URIs) != 1 || len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses) > 0 {
		return "", notDevice(c)
	}
	text, ok := strings.CutPrefix(c.URIs[0].String(), "urn:"+deviceURN)
	id, err := calms.ParseDeviceID(text)
	if !ok || err != nil || c.Subject.CommonName != string(id) {
		return "", notDevice(c)
	}
	return id, nil
}

func notDevice(c *x509.Certificate) error {
	return calms.Errorf(calms.KindUnauthenticated, "the certificate of %.80q is not a device certificate", c.Subject.CommonName)
}
