package identity

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/wire"
)

// Enroll shows a ticket to the cloud that it names and keeps what comes back in
// dir. It can be repeated: the key is on disk before the request goes out, so
// that the ticket answers again where its answer was lost on the way, or where
// the process died. The ticket's secret goes to no other cloud than its own.
//
// An edge that is enrolled already keeps its device, and tells the cloud which
// it is: a ticket of another one is refused ([calms.KindConflict]) and not used.
func Enroll(ctx context.Context, dir string, ticket wire.Ticket, algorithm certs.Algorithm) (*Identity, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	key, err := enrollingKey(dir, algorithm)
	if err != nil {
		return nil, calms.Wrap("enroll", err)
	}
	request, err := certs.NewRequest(key, "calms-edge")
	if err != nil {
		return nil, calms.Wrap("enroll", err)
	}
	answer, err := api.Enroll(ctx, ticket.URL, ticket.CA, api.EnrollRequest{
		TicketID: ticket.ID, Secret: ticket.Secret[:], CSR: request, DeviceID: enrolledAs(dir),
	})
	if err != nil {
		return nil, calms.Wrap("enroll", err)
	}
	if err := take(dir, key, answer); err != nil {
		return nil, calms.Wrap("enroll", err)
	}
	return Open(dir)
}

// enrolledAs is the device that this edge is; empty where it is none, or where
// what it is can no longer be read.
func enrolledAs(dir string) string {
	before, err := Open(dir)
	if err != nil {
		return ""
	}
	return string(before.Device())
}

// enrollingKey is the key of an enrolment that was begun, or a new one.
func enrollingKey(dir string, algorithm certs.Algorithm) (crypto.Signer, error) {
	path := filepath.Join(dir, enrollingName)
	key, err := certs.ReadKey(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = certs.NewKey(algorithm); err != nil {
		return nil, err
	}
	return key, certs.WriteKey(path, key)
}

// take keeps an answer. The certificate comes last: where it is, all is.
func take(dir string, key crypto.Signer, answer api.Enrollment) error {
	cloud, err := newCloud(answer)
	if err != nil {
		return calms.Wrap("the cloud's answer", err)
	}
	if before := enrolledAs(dir); before != "" && before != string(cloud.Device) {
		return calms.Errorf(calms.KindConflict, "the cloud's answer is for %s, and this edge is %s", cloud.Device, before).
			WithHint("ask for a ticket of this edge's device, or give the other one a data directory of its own: --data DIR")
	}
	pair, err := takeChain(key, answer.Certificate, cloud.Device)
	if err != nil {
		return calms.Wrap("the cloud's answer", err)
	}
	if err := cloud.write(dir); err != nil {
		return err
	}
	if err := writePair(filepath.Join(dir, deviceName), pair); err != nil {
		return err
	}
	for _, done := range []string{nextName, enrollingName} {
		if err := os.Remove(filepath.Join(dir, done)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// takeChain checks that a certificate is ours.
func takeChain(key crypto.Signer, der [][]byte, device calms.DeviceID) (*tls.Certificate, error) {
	chain, err := certs.ParseDER(der)
	if err != nil {
		return nil, err
	}
	if id, err := certs.DeviceOf(chain[0]); err != nil || id != device {
		return nil, calms.Errorf(calms.KindInvalid, "the certificate is not of %s", device)
	}
	return newPair(key, chain)
}
