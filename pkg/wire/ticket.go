package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"strings"
	"unicode"

	"go.calms.com/calms/pkg/calms"
)

// Ticket is a one-time enrolment secret and all that its bearer must know to
// use it: where the cloud is, and by which root certificate to recognise it.
type Ticket struct {
	ID     string   // names the ticket at the cloud; 1 to 255 bytes, no secret
	Secret [32]byte // the cloud keeps its SHA-256 only
	CA     [32]byte // SHA-256 of the cloud's root certificate (DER)
	URL    string   // base URL of the cloud's HTTPS API
}

const (
	ticketPrefix   = "calms-ticket-"
	ticketVersion  = "1"
	ticketChecksum = 4               // bytes; against typing errors, not against attackers
	ticketFixed    = 2 + 1 + 32 + 32 // length, length of the id, secret, CA
	ticketHint     = "copy the whole ticket again; it is one word that begins with calms-ticket-1."
	maxTicketText  = 4 << 10 // a ticket is some 200 characters
)

// String is the ticket as it is handed over: "calms-ticket-1." and, as unpadded
// base64url, the length of all bytes that follow it (2 bytes, big-endian), the
// id after its length (1 byte), secret, CA, URL, and the first 4 bytes of the
// SHA-256 of the prefix and everything before. The text holds the secret: write
// it to the bearer, never to a log.
func (t Ticket) String() string {
	prefix := ticketPrefix + ticketVersion + "."
	b := binary.BigEndian.AppendUint16(nil, uint16(ticketFixed-2+len(t.ID)+len(t.URL)+ticketChecksum))
	b = append(b, byte(len(t.ID)))
	b = append(b, t.ID...)
	b = append(b, t.Secret[:]...)
	b = append(b, t.CA[:]...)
	b = append(b, t.URL...)
	return prefix + base64.RawURLEncoding.EncodeToString(append(b, checksum(prefix, b)...))
}

// LogValue keeps the secret out of logs.
func (t Ticket) LogValue() slog.Value { return slog.StringValue("ticket " + t.ID) }

// ParseTicket reads what [Ticket.String] wrote. White space anywhere is ignored,
// as mail programs break long words. The error tells a truncated ticket from a
// mistyped one and from one of a newer version, and holds nothing of the secret.
func ParseTicket(text string) (Ticket, error) {
	text = strings.Map(dropSpace, text)
	rest, ok := strings.CutPrefix(text, ticketPrefix)
	version, body, dot := strings.Cut(rest, ".")
	switch {
	case !ok || len(text) > maxTicketText:
		return Ticket{}, badTicket("this is no enrolment ticket")
	case version != ticketVersion && isNumber(version):
		return Ticket{}, calms.Errorf(calms.KindInvalid, "the ticket has version %s, this program reads version %s", version, ticketVersion).
			WithHint("install the calms-edge that belongs to the cloud, then enrol again")
	case version != ticketVersion || !dot:
		return Ticket{}, badTicket("the ticket is truncated or mistyped at its beginning")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if at, wrong := err.(base64.CorruptInputError); wrong && int(at) < len(body)&^3 {
		return Ticket{}, badTicket("the ticket has a wrong character at position %d", len(text)-len(body)+int(at)+1)
	}
	// An error in the last, incomplete group of four is a cut: read up to there.
	return decodeTicket(text[:len(text)-len(body)], raw, err != nil)
}

func decodeTicket(prefix string, raw []byte, cut bool) (Ticket, error) {
	if cut || len(raw) < 2+ticketChecksum || len(raw)-2 < int(binary.BigEndian.Uint16(raw)) {
		return Ticket{}, badTicket("the ticket is truncated")
	}
	b, sum := raw[:len(raw)-ticketChecksum], raw[len(raw)-ticketChecksum:]
	if len(raw)-2 > int(binary.BigEndian.Uint16(raw)) || !bytes.Equal(sum, checksum(prefix, b)) {
		return Ticket{}, badTicket("the ticket is mistyped: its checksum is wrong")
	}
	if len(b) < ticketFixed || len(b) < ticketFixed+int(b[2]) || b[2] == 0 {
		return Ticket{}, badTicket("the ticket's content is malformed")
	}
	t := Ticket{ID: string(b[3 : 3+b[2]])}
	b = b[3+int(b[2]):]
	copy(t.Secret[:], b)
	copy(t.CA[:], b[32:])
	t.URL = string(b[64:])
	return t, nil
}

func checksum(prefix string, b []byte) []byte {
	sum := sha256.Sum256(append([]byte(prefix), b...))
	return sum[:ticketChecksum]
}

func dropSpace(r rune) rune {
	if unicode.IsSpace(r) {
		return -1
	}
	return r
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func badTicket(format string, args ...any) error {
	return calms.Errorf(calms.KindInvalid, format, args...).WithHint(ticketHint)
}
