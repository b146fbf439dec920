package wire

import (
	"crypto/sha256"

	"go.calms.com/calms/pkg/calms"
)

// MaxObject is the largest object in bytes; it must fit a message.
const MaxObject = 192 << 10

// ObjectKind says what an object is.
type ObjectKind uint8

// The kinds of object. Objects stand outside the numbering of entries and are
// named by the hash of their content.
const (
	ObjectSession  ObjectKind = 1
	ObjectChannels ObjectKind = 2
)

// ObjectName is the name of an encoded object.
func ObjectName(object []byte) Hash { return sha256.Sum256(object) }

// SessionObject carries a session key to the cloud: wrapped to an ingest key,
// and signed by the device certificate's key together with the journal that it
// seals for.
type SessionObject struct {
	_         struct{} `cbor:",toarray"`
	Kind      ObjectKind
	Journal   JournalID
	IngestKey string   // id of the ingest key
	Wrapped   []byte   // RSA-OAEP-SHA256 of the 32 byte session key
	Chain     [][]byte // device certificate, then its authorities, DER
	Signature []byte   // by the certificate's key over [SessionObject.Signed]
}

// Signed is what the signature covers: all the rest.
func (s SessionObject) Signed() []byte {
	return labelled("calms session", s.Kind, s.Journal, s.IngestKey, s.Wrapped, s.Chain)
}

// DecodeSession reads a session object.
func DecodeSession(object []byte) (SessionObject, error) {
	var s SessionObject
	if err := Decode("session object", object, &s); err != nil {
		return s, err
	}
	if s.Kind != ObjectSession {
		return s, calms.Errorf(calms.KindInvalid, "object of kind %d is no session", s.Kind)
	}
	return s, nil
}

// ChannelsObject carries the channel descriptions that batches refer to by
// index, sealed under a session key.
type ChannelsObject struct {
	_       struct{} `cbor:",toarray"`
	Kind    ObjectKind
	Session Hash
	Sealed  []byte // of the CBOR of a list of [Channel]
}

// AssociatedData is what the seal authenticates beside the content.
func (c ChannelsObject) AssociatedData() []byte {
	return labelled("calms channels seal", c.Kind, c.Session)
}

// DecodeChannels reads a channels object.
func DecodeChannels(object []byte) (ChannelsObject, error) {
	var c ChannelsObject
	if err := Decode("channels object", object, &c); err != nil {
		return c, err
	}
	if c.Kind != ObjectChannels {
		return c, calms.Errorf(calms.KindInvalid, "object of kind %d holds no channels", c.Kind)
	}
	return c, nil
}

// Channel describes one measured series; a batch names it by its place in the
// list.
type Channel struct {
	_           struct{} `cbor:",toarray"`
	Name        string   // last segment of the channel's path
	Unit        string
	Description string
}
