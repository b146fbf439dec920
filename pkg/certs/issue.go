package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/url"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// Backdate is how long before the moment of issue a certificate begins to be
// valid, so that a clock that is a little slow accepts it.
const Backdate = 5 * time.Minute

// Authority issues certificates: a CA certificate and the signer of its key,
// which may live in hardware. Safe for concurrent use if the signer is.
type Authority struct {
	Certificate *x509.Certificate
	Signer      crypto.Signer
}

// NewRoot makes a self-signed root certificate for key, valid from now for
// life. One level of intermediates may stand below it.
func NewRoot(key crypto.Signer, name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	template := authorityTemplate(name, 1)
	root := Authority{Certificate: template, Signer: key}
	return root.issue(key.Public(), template, now, life)
}

// IssueAuthority issues a CA certificate for public whose holder issues end
// certificates of the given usages, and no further authorities.
func (a Authority) IssueAuthority(public crypto.PublicKey, name string, usages []x509.ExtKeyUsage, now time.Time, life time.Duration) (*x509.Certificate, error) {
	template := authorityTemplate(name, 0)
	template.ExtKeyUsage = usages
	return a.issue(public, template, now, life)
}

func authorityTemplate(name string, below int) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            below,
		MaxPathLenZero:        below == 0,
	}
}

// IssueDevice issues the certificate by which a device is known: a client
// certificate with the id as common name and [DeviceURI] as its only URI.
func (a Authority) IssueDevice(public crypto.PublicKey, id calms.DeviceID, now time.Time, life time.Duration) (*x509.Certificate, error) {
	return a.issue(public, &x509.Certificate{
		Subject:               pkix.Name{CommonName: string(id)},
		URIs:                  []*url.URL{DeviceURI(id)},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}, now, life)
}

// IssueService issues the certificate of one of our own services, as a server
// under the given host names and IP addresses and as a client of other services.
func (a Authority) IssueService(public crypto.PublicKey, name string, hosts []string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.issue(public, template, now, life)
}

// issue signs template with a fresh serial. What it issues never outlives the
// issuer, so that a chain that was valid at all was valid at the leaf's end.
func (a Authority) issue(public crypto.PublicKey, template *x509.Certificate, now time.Time, life time.Duration) (*x509.Certificate, error) {
	template.SerialNumber = newSerial()
	template.NotBefore = now.Add(-Backdate)
	// X.509 counts whole seconds and cuts the rest off: round up, or short lives
	// would be up to a third shorter than asked for.
	template.NotAfter = now.Add(life + time.Second - 1)
	if end := a.Certificate.NotAfter; a.Certificate != template && template.NotAfter.After(end) {
		template.NotAfter = end
	}
	if !template.NotAfter.After(now) {
		return nil, calms.Errorf(calms.KindUnavailable, "issue certificate: authority %q ended at %s", a.Certificate.Subject.CommonName, a.Certificate.NotAfter.Format(time.RFC3339)).
			WithHint("rotate the authority with the root key")
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, public, a.Signer)
	if err != nil {
		return nil, calms.Wrap("issue certificate", err)
	}
	c, err := x509.ParseCertificate(der)
	return c, calms.Wrap("issue certificate", err)
}

// newSerial draws a positive serial number of 127 random bits: unique without
// any memory of the earlier ones.
func newSerial() *big.Int {
	raw := make([]byte, 16)
	rand.Read(raw) // never fails, see crypto/rand
	raw[0] &= 0x7f
	raw[15] |= 1 // never zero
	return new(big.Int).SetBytes(raw)
}

// IssuedAt is the moment at which one of our authorities issued c.
func IssuedAt(c *x509.Certificate) time.Time { return c.NotBefore.Add(Backdate) }
