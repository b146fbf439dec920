package wire

import (
	"github.com/fxamacker/cbor/v2"

	"go.calms.com/calms/pkg/calms"
)

// Version is the version byte that this program writes in front of everything.
const Version = 1

// MaxMessage is the largest MQTT payload, in bytes, that edge and cloud send;
// every broker that the design allows carries it.
const MaxMessage = 256 << 10

// Limits of what a decoder accepts, far above what is ever sent.
const (
	maxElements = 1 << 16
	maxNesting  = 8
)

// codec makes CBOR of one value in one way only, and reads nothing else than
// what it would write: no duplicate keys, no indefinite lengths, no tags.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() codec {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	dec, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxArrayElements: maxElements,
		MaxMapPairs:      maxElements,
		MaxNestedLevels:  maxNesting,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return codec{enc, dec}
}

var cborCodec = newCodec()

// Encode writes the version byte and v. It panics where v is no type of this
// package, which is a programming error.
func Encode(v any) []byte {
	body, err := cborCodec.enc.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append([]byte{Version}, body...)
}

// Decode reads what [Encode] wrote into v; what names it in errors. Trailing
// bytes, other types, and newer versions are errors of kind invalid.
func Decode(what string, data []byte, v any) error {
	if len(data) == 0 {
		return calms.Errorf(calms.KindInvalid, "%s is empty", what)
	}
	if data[0] > Version {
		return calms.Errorf(calms.KindInvalid, "%s has version %d, this program reads up to %d", what, data[0], Version).
			WithHint("update the program that reads it")
	}
	if data[0] != Version {
		return calms.Errorf(calms.KindInvalid, "%s has version %d, which never existed", what, data[0])
	}
	if err := cborCodec.dec.Unmarshal(data[1:], v); err != nil {
		return calms.Errorf(calms.KindInvalid, "%s is malformed: %w", what, err)
	}
	return nil
}
