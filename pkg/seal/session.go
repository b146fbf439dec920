package seal

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

const sessionKeySize = 32

// Session is one session key with what is derived from it. It is the same on
// both sides; it is safe for concurrent use.
type Session struct {
	journal wire.JournalID
	name    wire.Hash
	object  []byte
	content cipher.AEAD // entries, gaps, channel descriptions
	up      []byte      // MAC key of messages up
	down    []byte      // MAC key of messages down
}

func newSession(key []byte, journal wire.JournalID, object []byte) (*Session, error) {
	s := &Session{journal: journal, name: wire.ObjectName(object), object: object}
	content, err := derive(key, "calms content v1")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(content)
	if err != nil {
		return nil, err
	}
	if s.content, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, err
	}
	if s.up, err = derive(key, "calms up v1"); err != nil {
		return nil, err
	}
	s.down, err = derive(key, "calms down v1")
	return s, err
}

func derive(key []byte, purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, key, nil, purpose, sessionKeySize)
}

// Name is the name of the session object.
func (s *Session) Name() wire.Hash { return s.name }

// Object is the encoded session object; do not change it.
func (s *Session) Object() []byte { return s.object }

// Journal is the journal that the session seals for.
func (s *Session) Journal() wire.JournalID { return s.journal }

// SealEntry makes an entry of plaintext. The header's Session is set here.
func (s *Session) SealEntry(h wire.Header, plaintext []byte) wire.Entry {
	h.Session = s.name
	return wire.Entry{Header: h, Sealed: s.content.Seal(nil, nil, plaintext, h.AssociatedData(s.journal))}
}

// OpenEntry returns the plaintext of an entry of the session's journal. An
// entry that was changed, moved or made by somebody else is an error.
func (s *Session) OpenEntry(e wire.Entry) ([]byte, error) {
	return s.open("entry", e.Sealed, e.AssociatedData(s.journal))
}

// SealGap makes a statement that entries are lost. The header's Session is set
// here; its journal may be an older one of the same device.
func (s *Session) SealGap(h wire.GapHeader, detail wire.GapDetail) wire.Gap {
	h.Session = s.name
	return wire.Gap{GapHeader: h, Sealed: s.content.Seal(nil, nil, wire.Encode(detail), h.AssociatedData())}
}

// OpenGap returns the sealed part of a gap, see [Session.SealGap].
func (s *Session) OpenGap(g wire.Gap) (wire.GapDetail, error) {
	var detail wire.GapDetail
	if g.Journal.Device != s.journal.Device {
		return detail, forged("gap")
	}
	plaintext, err := s.open("gap", g.Sealed, g.AssociatedData())
	if err != nil {
		return detail, err
	}
	return detail, wire.Decode("gap", plaintext, &detail)
}

// SealChannels makes an object of channel descriptions.
func (s *Session) SealChannels(channels []wire.Channel) []byte {
	object := wire.ChannelsObject{Kind: wire.ObjectChannels, Session: s.name}
	object.Sealed = s.content.Seal(nil, nil, wire.Encode(channels), object.AssociatedData())
	return wire.Encode(object)
}

// OpenChannels is the inverse of [Session.SealChannels].
func (s *Session) OpenChannels(object wire.ChannelsObject) ([]wire.Channel, error) {
	plaintext, err := s.open("channels object", object.Sealed, object.AssociatedData())
	if err != nil {
		return nil, err
	}
	var channels []wire.Channel
	return channels, wire.Decode("channels object", plaintext, &channels)
}

func (s *Session) open(what string, sealed, associated []byte) ([]byte, error) {
	plaintext, err := s.content.Open(nil, nil, sealed, associated)
	if err != nil {
		return nil, forged(what)
	}
	return plaintext, nil
}

func forged(what string) error {
	return calms.Errorf(calms.KindForbidden, "%s is not what the device sealed", what)
}

// MACUp authenticates the body of a message up.
func (s *Session) MACUp(body []byte) []byte { return mac(s.up, body) }

// MACDown authenticates the body of a message down.
func (s *Session) MACDown(body []byte) []byte { return mac(s.down, body) }

// VerifyUp reports whether tag is [Session.MACUp] of body, in constant time.
func (s *Session) VerifyUp(body, tag []byte) bool { return hmac.Equal(mac(s.up, body), tag) }

// VerifyDown reports whether tag is [Session.MACDown] of body, in constant time.
func (s *Session) VerifyDown(body, tag []byte) bool { return hmac.Equal(mac(s.down, body), tag) }

func mac(key, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(body)
	return h.Sum(nil)
}

// newKey draws a session key.
func newKey() []byte {
	key := make([]byte, sessionKeySize)
	rand.Read(key) // never fails, see crypto/rand
	return key
}

// signatureHash is the digest under the signature of session objects.
const signatureHash = crypto.SHA256
