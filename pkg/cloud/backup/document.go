package backup

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"

	"go.calms.com/calms/pkg/calms"
)

// A signed document is two lines of JSON: the body, and the Ed25519 signature of
// the body's exact bytes. The body's purpose is signed with it, so that one kind
// of document never passes for another.
type signatureLine struct {
	Signature []byte `json:"signature"`
}

// The purposes. They are part of the format.
const (
	purposeManifest = "calms backup manifest"
	purposeFact     = "calms backup fact"
)

func signedText(purpose string, body []byte) []byte {
	return append([]byte(purpose+"\n"), body...)
}

// sign makes a document of body.
func sign(key ed25519.PrivateKey, purpose string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(signatureLine{ed25519.Sign(key, signedText(purpose, text))})
	if err != nil {
		return nil, err
	}
	return append(append(append(text, '\n'), line...), '\n'), nil
}

// readSigned reads a document into body after its version and its signature
// were found good.
func readSigned(key ed25519.PublicKey, purpose string, document []byte, body any) error {
	text, rest, _ := bytes.Cut(document, []byte("\n"))
	if err := checkVersion(text); err != nil {
		return err
	}
	var line signatureLine
	if err := json.Unmarshal(rest, &line); err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, signedText(purpose, text), line.Signature) {
		return calms.Errorf(calms.KindInvalid, "the signature is not that of the repository's writer")
	}
	if err := json.Unmarshal(text, body); err != nil {
		return calms.Errorf(calms.KindInvalid, "%w", err)
	}
	return nil
}

// formatVersion is the version of repositories, manifests and facts that this
// program writes, and the newest that it reads.
const formatVersion = 1

func checkVersion(text []byte) error {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil || head.Version < 1 {
		return calms.Errorf(calms.KindInvalid, "it is damaged, or no part of a backup repository")
	}
	if head.Version > formatVersion {
		return calms.Errorf(calms.KindInvalid, "format version %d is newer than this program's %d", head.Version, formatVersion).
			WithHint("use the program version that wrote it, or a newer one")
	}
	return nil
}
