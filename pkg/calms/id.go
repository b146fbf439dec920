package calms

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

// DeviceID is a device's identity: "d-" and 16 characters of lower-case base32
// (80 random bits). It is given once, at provisioning, and never reused; it is
// safe in topics, certificates and file names.
type DeviceID string

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const deviceIDRandomBytes = 10

// NewDeviceID draws a new identity.
func NewDeviceID() DeviceID {
	return DeviceID("d-" + RandomName(deviceIDRandomBytes))
}

// ParseDeviceID checks the form of s.
func ParseDeviceID(s string) (DeviceID, error) {
	rest, ok := strings.CutPrefix(s, "d-")
	raw, err := lowerBase32.DecodeString(rest)
	if !ok || err != nil || len(rest) != lowerBase32.EncodedLen(deviceIDRandomBytes) || len(raw) != deviceIDRandomBytes {
		return "", Errorf(KindInvalid, "%q is not a device id: d- and 16 characters of a-z, 2-7 are needed", s)
	}
	return DeviceID(s), nil
}

// RandomName returns n random bytes as lower-case base32, for identifiers that
// must be unique and unguessable but are no secrets.
func RandomName(n int) string {
	raw := make([]byte, n)
	rand.Read(raw) // never fails, see crypto/rand
	return lowerBase32.EncodeToString(raw)
}

// Epoch is the random id that the cloud draws when its databases are created
// and whenever they are restored.
type Epoch [16]byte

// NewEpoch draws one.
func NewEpoch() Epoch {
	var e Epoch
	rand.Read(e[:])
	return e
}

func (e Epoch) String() string { return hex.EncodeToString(e[:]) }
