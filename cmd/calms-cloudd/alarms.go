package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/alarm"
	"go.calms.com/calms/pkg/cloud/backup"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// alarms is the board for the API.
type alarms struct{ *cloud }

// Active implements [httpapi.Alarms].
func (a alarms) Active() []api.Alarm { return a.board.Active() }

// Clear implements [httpapi.Alarms]. The board has no database; the audit entry
// goes to the service that knows the operator.
func (a alarms) Clear(ctx context.Context, kind, subject string) (api.Alarm, error) {
	cleared, stood := a.board.Dismiss(kind, subject)
	if !stood {
		return api.Alarm{}, calms.Errorf(calms.KindNotFound, "there is no alarm %.64q of %.300q", kind, subject).WithHint("calmsctl alarm list")
	}
	err := a.identity.DB().Update(ctx, func(tx store.Tx) error {
		return store.Record(ctx, tx, "alarm.clear", kind+" "+subject, map[string]any{"before": cleared})
	})
	if err != nil {
		a.board.Raise(cleared.Kind, cleared.Subject, cleared.Severity, cleared.Text, cleared.Hint)
		return api.Alarm{}, calms.Wrap("clear alarm", err)
	}
	return cleared, nil
}

// lossAlarms is the board for ingest. Edges state losses and forks in every
// hello: what somebody has looked at is not told again.
type lossAlarms struct{ *alarm.Board }

// Raise implements [ingest.Alarms].
func (a lossAlarms) Raise(kind, subject, severity, text, hint string) {
	if kind == ingest.AlarmLoss || kind == ingest.AlarmFork {
		a.Remind(kind, subject, severity, text, hint)
	} else {
		a.Board.Raise(kind, subject, severity, text, hint)
	}
}

// raiseAtPath raises what the fleet says of a device by its id: people know the
// path.
func (c *cloud) raiseAtPath(kind, subject, severity, text, hint string) {
	if device, err := c.fleet.DeviceByID(context.Background(), calms.DeviceID(subject)); err == nil {
		subject, hint = device.Path, strings.ReplaceAll(hint, "PATH", device.Path)
	}
	c.board.Raise(kind, subject, severity, text, hint)
}

// remembered is for how long a start raises a loss again.
const remembered = 7 * 24 * time.Hour

// remember raises again, once at start, what the history still tells of losses
// and forks. Everything else is looked at again and again, or was told once.
func (c *cloud) remember(ctx context.Context) error {
	known, err := c.fleet.Devices(ctx, "")
	if err != nil {
		return err
	}
	paths := map[calms.DeviceID]string{}
	for _, d := range known {
		paths[calms.DeviceID(d.ID)] = d.Path
	}
	if err := c.rememberForks(ctx, paths); err != nil {
		return err
	}
	if err := c.rememberStatements(ctx, paths); err != nil {
		return err
	}
	return c.rememberGaps(ctx, paths, time.Now().Add(-remembered))
}

func (c *cloud) rememberForks(ctx context.Context, paths map[calms.DeviceID]string) error {
	journals, err := c.history.Journals(ctx, "")
	for _, j := range journals {
		if path := paths[j.ID.Device]; path != "" && j.Forked != "" {
			c.raiseAgain(ingest.AlarmFork, path, "journal "+j.ID.Name()+" has forked: "+j.Forked, "look for a copied disk: calmsctl device get "+path)
		}
	}
	return err
}

func (c *cloud) rememberStatements(ctx context.Context, paths map[calms.DeviceID]string) error {
	statements, err := c.history.Statements(ctx, "")
	for _, s := range statements {
		path := paths[s.Journal.Device]
		if path == "" || s.Kind == wire.StatementBranch { // a branch is a fork, see rememberForks
			continue
		}
		c.raiseAgain(ingest.AlarmLoss, path, fmt.Sprintf("%s: what came after entry %d of journal %s is lost (%s)", s.Kind, s.Number, s.Journal.Name(), s.Reason),
			"calmsctl device get "+path+" shows its journals")
	}
	return err
}

func (c *cloud) rememberGaps(ctx context.Context, paths map[calms.DeviceID]string, since time.Time) error {
	gaps, err := c.history.Gaps(ctx, "")
	for _, g := range gaps {
		path := paths[g.Journal.Device]
		if path == "" || g.Samples == 0 || g.Stored < since.UnixNano() {
			continue
		}
		c.raiseAgain(ingest.AlarmLoss, path, fmt.Sprintf("%d samples of journal %s are lost (entries %d to %d, %s)", g.Samples, g.Journal.Name(), g.First, g.Last, g.Reason),
			"calmsctl device get "+path+" shows the gap ledger")
	}
	return err
}

func (c *cloud) raiseAgain(kind, path, text, hint string) {
	c.board.Raise(kind, path, alarm.Critical, text, hint)
}

// wakeWatch lets the watch look at once.
func (c *cloud) wakeWatch() {
	select {
	case c.lookNow <- struct{}{}:
	default:
	}
}

// watchedBackup is the backup for the API. Whoever has made a repository looks
// at once whether the alarm has gone.
type watchedBackup struct {
	*backup.Service
	cloud *cloud
}

// Init implements [httpapi.Backup].
func (b watchedBackup) Init(ctx context.Context, request api.RepositoryRequest) (api.Repository, error) {
	repository, err := b.Service.Init(ctx, request)
	if err == nil {
		_ = b.cloud.watchBackup(ctx) // the watch looks again
	}
	return repository, err
}
