package api

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.calms.com/calms/pkg/calms"
)

// FileVersion is the version of [OperatorFile] and [RecoveryFile].
const FileVersion = 1

// OperatorFile is what the cloud writes, mode 0600, for its first operator:
// everything that `calmsctl context create` needs. The file is JSON, which YAML
// readers read too.
type OperatorFile struct {
	Version int    `json:"version"`
	URL     string `json:"url"`
	CA      string `json:"ca"`  // root certificates, PEM
	Key     string `json:"key"` // secret: the operator's key
}

// Marshal returns the file's bytes, Version set.
func (f OperatorFile) Marshal() ([]byte, error) {
	f.Version = FileVersion
	return marshalFile(f)
}

// ParseOperatorFile is the reverse of Marshal. It refuses unknown fields, newer
// versions and missing values; errors name the line or the field, never a value.
func ParseOperatorFile(data []byte) (OperatorFile, error) {
	var f OperatorFile
	if err := parseFile("operator file", data, &f, &f.Version); err != nil {
		return OperatorFile{}, err
	}
	return f, need("operator file", "url", f.URL, "ca", f.CA, "key", f.Key)
}

// RecoveryFile is what a daemon in recovery mode writes, mode 0600: where it
// listens, the certificate that it made for this run, and the secret of this run.
type RecoveryFile struct {
	Version     int    `json:"version"`
	URL         string `json:"url"`
	Certificate string `json:"certificate"` // SHA-256 of the certificate's DER, hex
	Secret      string `json:"secret"`      // secret: the bearer key of /v1/recovery
}

// Marshal returns the file's bytes, Version set.
func (f RecoveryFile) Marshal() ([]byte, error) {
	f.Version = FileVersion
	return marshalFile(f)
}

// ParseRecoveryFile is the reverse of Marshal, as strict as [ParseOperatorFile].
func ParseRecoveryFile(data []byte) (RecoveryFile, error) {
	var f RecoveryFile
	if err := parseFile("recovery file", data, &f, &f.Version); err != nil {
		return RecoveryFile{}, err
	}
	if err := need("recovery file", "url", f.URL, "certificate", f.Certificate, "secret", f.Secret); err != nil {
		return RecoveryFile{}, err
	}
	_, err := f.Pin()
	return f, err
}

// Pin is the certificate's fingerprint, for [Config.Pin].
func (f RecoveryFile) Pin() ([32]byte, error) {
	raw, err := hex.DecodeString(f.Certificate)
	if err != nil || len(raw) != 32 {
		return [32]byte{}, calms.Errorf(calms.KindInvalid, "recovery file: field certificate: 64 hexadecimal digits are needed")
	}
	return [32]byte(raw), nil
}

func marshalFile(f any) ([]byte, error) {
	data, err := json.MarshalIndent(f, "", "  ")
	return append(data, '\n'), err
}

func parseFile(what string, data []byte, f any, version *int) error {
	var probe struct{ Version int }
	if json.Unmarshal(data, &probe) == nil && probe.Version > FileVersion {
		return calms.Errorf(calms.KindInvalid, "%s: version %d is newer than this program, which knows version %d", what, probe.Version, FileVersion).
			WithHint("install the version of calmsctl that the cloud has")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(f); err != nil {
		return calms.Errorf(calms.KindInvalid, "%s: %s%w", what, whereOf(data, err), err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return calms.Errorf(calms.KindInvalid, "%s: line %d: something follows the object", what, lineAt(data, decoder.InputOffset()))
	}
	if *version != FileVersion {
		return calms.Errorf(calms.KindInvalid, "%s: field version: %d is needed", what, FileVersion)
	}
	return nil
}

// whereOf names the line of an error that has one; an unknown field's error has
// only its name.
func whereOf(data []byte, err error) string {
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("line %d: ", lineAt(data, syntax.Offset))
	case errors.As(err, &wrongType):
		return fmt.Sprintf("line %d: ", lineAt(data, wrongType.Offset))
	}
	return ""
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n"))
}

// need reports the first of the named values that is empty.
func need(what string, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if strings.TrimSpace(pairs[i+1]) == "" {
			return calms.Errorf(calms.KindInvalid, "%s: field %s is missing", what, pairs[i])
		}
	}
	return nil
}
