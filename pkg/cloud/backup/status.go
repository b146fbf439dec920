package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// Status tells how well the installation is protected, and what is at risk.
func (s *Service) Status(ctx context.Context) (api.BackupStatus, error) {
	status, err := s.status(ctx)
	return status, calms.Wrap("backup status", err)
}

func (s *Service) status(ctx context.Context) (status api.BackupStatus, err error) {
	k, err := s.keeping(ctx)
	if errors.Is(err, ErrNoRepository) {
		status.Risk = "there is no backup repository: if this machine is lost, its keys, devices and history are lost with it"
		return status, nil
	}
	if err != nil {
		return status, err
	}
	repository := k.shown()
	status.Repository = &repository
	if status.PendingFacts, err = s.Facts().Pending(ctx); err != nil {
		return status, err
	}
	if status.Next, err = s.due(ctx); err != nil {
		return status, err
	}
	rows, err := snapshots(ctx, s.db.Read(), `1 = 1`)
	if err != nil {
		return status, err
	}
	status.Running = len(rows) > 0 && rows[0].state == api.SnapshotRunning
	good := firstDone(rows)
	if good != nil {
		shown := good.shown()
		status.Newest = &shown
	}
	status.Risk = strings.Join(s.risks(k, rows, good, status.PendingFacts), "; ")
	return status, nil
}

func firstDone(rows []snapshot) *snapshot {
	for i := range rows {
		if rows[i].state == api.SnapshotDone {
			return &rows[i]
		}
	}
	return nil
}

func (s *Service) risks(k keeping, rows []snapshot, good *snapshot, pending int) (risks []string) {
	if inside(k.location, s.options.DataDir) {
		risks = append(risks, "the repository is inside the data directory: whoever loses the one loses both")
	}
	switch {
	case good == nil:
		risks = append(risks, "there is no complete snapshot yet")
	case time.Since(good.started) > 2*s.options.Every:
		risks = append(risks, fmt.Sprintf("the newest complete snapshot is of %s", good.started.Format(time.RFC3339)))
	}
	if len(rows) > 0 && rows[0].state == api.SnapshotFailed {
		risks = append(risks, "the last snapshot failed: "+rows[0].failure)
	}
	if pending > 0 {
		risks = append(risks, fmt.Sprintf("%d revocations or burnt tickets are not in the repository yet: a restore would undo them", pending))
	}
	return risks
}

// inside tells whether a place is in a directory, through links as well.
func inside(place, dir string) bool {
	if dir == "" {
		return false
	}
	relative, err := filepath.Rel(resolved(dir), resolved(place))
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
}

func resolved(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
