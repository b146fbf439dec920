package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/backup"
	"go.calms.com/calms/pkg/durable"
)

// keyFile is the [backup.Source] of the root's key, which is a file so that it
// can be taken away: as long as it lies on the machine, a burnt machine must not
// take it along. Once it is taken away no further snapshot holds it.
type keyFile struct{ path string }

// keyRecord is the one line of its export.
type keyRecord struct {
	Version int    `json:"version"`
	Key     []byte `json:"key,omitempty"` // PEM; empty where it was taken away
}

const keyRecordVersion = 1

// Name implements [backup.Source].
func (keyFile) Name() string { return "root-key" }

// Export implements [backup.Source].
func (k keyFile) Export(_ context.Context, w io.Writer) (backup.Exported, error) {
	record := keyRecord{Version: keyRecordVersion}
	key, err := os.ReadFile(k.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return backup.Exported{}, calms.Wrap("export root key", err)
	}
	record.Key = key
	return backup.Exported{Schema: keyRecordVersion, Rows: 1}, json.NewEncoder(w).Encode(record)
}

// Import implements [backup.Source].
func (k keyFile) Import(_ context.Context, r io.Reader) (rows int64, err error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	var record keyRecord
	if err := json.Unmarshal(text, &record); err != nil {
		return 0, calms.Errorf(calms.KindInvalid, "import root key: the record is malformed")
	}
	if record.Version > keyRecordVersion {
		return 0, calms.Errorf(calms.KindInvalid, "import root key: version %d is newer than this program's %d", record.Version, keyRecordVersion)
	}
	if len(record.Key) == 0 {
		return 1, nil
	}
	return 1, durable.WriteFile(k.path, record.Key, 0o600)
}
