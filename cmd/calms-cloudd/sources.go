package main

import (
	"context"
	"strconv"
	"strings"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/backup"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// The names of services: in snapshots, in metrics, and of their databases.
const (
	historyName  = "history"
	ingestName   = "ingest"
	fleetName    = "fleet"
	pkiName      = "pki"
	identityName = "identity"
	backupName   = "backup"

	addressesName = "addresses" // no service: see addressFile
)

// sources is what a snapshot holds, in the order of its export: what refers to
// something stands before it. The history's session objects need ingest's keys;
// its cursors and ingest need the devices that fleet and pki know.
func sources(historyDB, ingestDB, fleetDB, pkiDB, identityDB *store.DB, rootKey string, public addressFile) []backup.Source {
	return []backup.Source{
		backup.Database(historyName, historyDB, historyMarks),
		backup.Database(ingestName, ingestDB, ingest.Marks),
		backup.Database(fleetName, fleetDB, nil),
		backup.Database(pkiName, pkiDB, nil),
		backup.Database(identityName, identityDB, nil),
		keyFile{rootKey},
		public,
	}
}

// historyMarks is the cursor of every journal at the moment of the export: key
// device/generation-random, value the number.
func historyMarks(ctx context.Context, tx store.Tx) (map[string]string, error) {
	cursors, err := history.Marks(ctx, tx)
	marks := make(map[string]string, len(cursors))
	for _, m := range cursors {
		marks[m.Journal.String()] = strconv.FormatUint(m.Number, 10)
	}
	return marks, err
}

// covered tells the services that a snapshot is safe in the repository.
func (c *cloud) covered(ctx context.Context, snapshot backup.Covered) error {
	defer c.wakeWatch()
	var marks []history.Mark
	for name, number := range snapshot.Marks[historyName] {
		mark, err := parseMark(name, number)
		if err != nil {
			return calms.Wrap("read marks of snapshot "+snapshot.Snapshot, err)
		}
		marks = append(marks, mark)
	}
	if err := c.history.Cover(ctx, marks); err != nil {
		return err
	}
	return c.ingest.ConfirmKeys(ctx, snapshot.Marks[ingestName])
}

// parseMark is the reverse of [historyMarks].
func parseMark(name, number string) (history.Mark, error) {
	device, journal, _ := strings.Cut(name, "/")
	id, err := wire.ParseJournalName(calms.DeviceID(device), journal)
	if err != nil {
		return history.Mark{}, err
	}
	n, err := strconv.ParseUint(number, 10, 64)
	return history.Mark{Journal: id, Number: n}, err
}
