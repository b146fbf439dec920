package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"

	"go.calms.com/calms/pkg/calms"
)

// pinLeaf trusts one certificate, known by its fingerprint, whatever its name
// and its dates: it was made for one run, and the fingerprint came by a file.
func pinLeaf(pin [32]byte) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection decides
		VerifyConnection: func(state tls.ConnectionState) error {
			if !hasFingerprint(state.PeerCertificates[0], pin) {
				return calms.Errorf(calms.KindInvalid, "the server's certificate is not the one of the recovery file").
					WithHint("take the recovery file that the daemon wrote when it was started last")
			}
			return nil
		},
	}
}

// pinRoot trusts the root with a fingerprint, which the server sends as part of
// its chain, and what that root vouches for under the given host name.
func pinRoot(pin [32]byte, host string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection decides
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyUpTo(pin, host, state.PeerCertificates)
		},
	}
}

func verifyUpTo(pin [32]byte, host string, chain []*x509.Certificate) error {
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	found := false
	for _, certificate := range chain {
		if hasFingerprint(certificate, pin) {
			roots.AddCert(certificate)
			found = true
			continue
		}
		others.AddCert(certificate)
	}
	if !found {
		return calms.Errorf(calms.KindInvalid, "this ticket is of another cloud: %s does not hold the root certificate that the ticket names; the ticket was not sent", host).
			WithHint("check the address, or ask for a ticket of this cloud: calmsctl device provision ORG/SITE/DEVICE")
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: others})
	return err
}

func hasFingerprint(certificate *x509.Certificate, pin [32]byte) bool {
	fingerprint := sha256.Sum256(certificate.Raw)
	return subtle.ConstantTimeCompare(fingerprint[:], pin[:]) == 1
}

// Enroll sends a ticket to the cloud at base, POST /v1/edge/enroll, once the
// server has shown the root certificate whose SHA-256 fingerprint the ticket
// names and a chain up to it. A cloud with another root is refused in the
// handshake, before the ticket's secret is sent.
func Enroll(ctx context.Context, base string, ca [32]byte, request EnrollRequest) (Enrollment, error) {
	target, err := parseBase(base)
	if err != nil {
		return Enrollment{}, err
	}
	client := newClient(Config{Timeout: DefaultTimeout}, target, pinRoot(ca, target.Hostname()))
	defer client.Close()
	return call[Enrollment](ctx, client, "POST", "/v1/edge/enroll", nil, request)
}
