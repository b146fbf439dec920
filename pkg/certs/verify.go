package certs

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// Pool is a set of certificates to trust.
func Pool(anchors ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range anchors {
		pool.AddCert(c)
	}
	return pool
}

// VerifyIgnoringExpiry verifies a chain, leaf first, to one of the anchors, as
// it stood at the end of the leaf's own life: what is old stays genuine. Errors
// are [calms.KindUnauthenticated].
func VerifyIgnoringExpiry(chain []*x509.Certificate, anchors *x509.CertPool, usage x509.ExtKeyUsage) error {
	if len(chain) == 0 {
		return calms.Errorf(calms.KindUnauthenticated, "there is no certificate")
	}
	return verify(chain, x509.VerifyOptions{
		Roots:       anchors,
		KeyUsages:   []x509.ExtKeyUsage{usage},
		CurrentTime: chain[0].NotAfter,
	})
}

func verify(chain []*x509.Certificate, options x509.VerifyOptions) error {
	options.Intermediates = Pool(chain[1:]...)
	if _, err := chain[0].Verify(options); err != nil {
		return calms.Errorf(calms.KindUnauthenticated, "the certificate is not trusted: %w", err)
	}
	return nil
}

// Pinned is the client side of a connection to a server whose root certificate
// is known by its fingerprint only, as from an enrolment ticket. The server must
// send its root too. The chain must lead to that very root and the leaf must be
// valid for host (a DNS name or an IP address) at the time that now tells.
func Pinned(root Fingerprint, host string, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: host,
		// The ordinary check knows no anchor yet; VerifyConnection replaces it
		// whole, and runs on resumed connections too.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyPinned(state.PeerCertificates, root, host, now())
		},
	}
}

func verifyPinned(chain []*x509.Certificate, root Fingerprint, host string, now time.Time) error {
	for _, c := range chain {
		if FingerprintOf(c) == root {
			return verify(chain, x509.VerifyOptions{Roots: Pool(c), DNSName: host, CurrentTime: now})
		}
	}
	return calms.Errorf(calms.KindUnauthenticated, "the server does not belong to the cloud that made the ticket").
		WithHint("check the ticket and the address; a new ticket comes from the cloud's operator")
}
