package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"

	"go.calms.com/calms/pkg/calms"
)

// unreachable says why no answer came, in the words of [calms.Error].
func (c *Client) unreachable(ctx context.Context, err error) error {
	if known, ok := errors.AsType[*calms.Error](err); ok {
		return known // a pin refused the server and said so
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // drops the method and the URL's query
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return calms.Errorf(calms.KindInterrupted, "interrupted: %w", context.Canceled)
	case isTimeout(ctx, err):
		return calms.Errorf(calms.KindTimeout, "no answer from %s in time: %w", c.base.Host, err).WithHint("try again, or allow more with --timeout")
	case isRecovering(err):
		return calms.Errorf(calms.KindUnavailable, "%s is in recovery mode, as its certificate says: %w", c.base.Host, err).
			WithHint("calmsctl restore --recovery-file FILE --identity FILE")
	case isUntrusted(err):
		return calms.Errorf(calms.KindUnreachable, "%s is not the cloud that was expected: %w", c.base.Host, err).
			WithHint("check the address; a reinstalled cloud has new authorities and writes a new operator file")
	default:
		return calms.Errorf(calms.KindUnreachable, "cannot reach %s: %w", c.base.Host, err).
			WithHint("check the address and the network, and whether calms-cloudd runs there (calms-cloudd health)")
	}
}

// broken is for an answer that began and did not end, or makes no sense.
func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil || isTimeout(ctx, err) {
		return c.unreachable(ctx, err)
	}
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &wrongType) || err == io.EOF {
		return calms.Errorf(calms.KindInternal, "cannot understand the answer of %s: %w", c.base.Host, err).
			WithHint("compare the versions: calmsctl version --server")
	}
	return calms.Errorf(calms.KindUnreachable, "the answer of %s broke off: %w", c.base.Host, err).WithHint("try again")
}

func isTimeout(ctx context.Context, err error) bool {
	var network net.Error
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// recoveryName is the name in the certificate that a daemon in recovery mode
// makes for itself. Nobody vouches for it: it is a hint for people.
const recoveryName = "recovery"

func isRecovering(err error) bool {
	refused, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok && refused.UnverifiedCertificates[0].Subject.CommonName == recoveryName
}

func isUntrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
}
