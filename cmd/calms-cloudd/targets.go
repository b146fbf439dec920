package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"go.calms.com/calms/pkg/cloud/httpapi"
	"go.calms.com/calms/pkg/daemon"
)

// targets is the map of targets: what runs, in the order of starting. Each
// depends only on those before it. They stop in reverse order, so that nobody is
// let in while something behind the door has stopped.
func (c *cloud) targets(stdout io.Writer) []daemon.Target {
	return c.ready.follow([]daemon.Target{
		{Name: identityName, Run: answer},
		{Name: pkiName, Run: c.runPKI},
		{Name: fleetName, Run: c.runFleet},
		{Name: historyName, Run: answer},
		{Name: ingestName, Run: answer},
		{Name: backupName, Run: c.runBackup},
		{Name: "alarm", Run: c.watch},
		{Name: "broker", Run: c.runBroker},
		{Name: "api", Run: func(ctx context.Context, report func(error)) error { return c.runAPI(ctx, report, stdout) }},
	})
}

// answer is the run of a service that only answers calls: it is open.
func answer(ctx context.Context, report func(error)) error {
	report(nil)
	<-ctx.Done()
	return nil
}

// flushPause is how long a fact waits at most, once the repository is there, for
// another attempt to tell it.
const flushPause = 10 * time.Second

func (c *cloud) runPKI(ctx context.Context, report func(error)) error {
	report(nil)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.certificates.api.Run(ctx) })
	group.Go(func() error { return c.certificates.broker.Run(ctx) })
	group.Go(func() error { return flush(ctx, c.pki.Flush) })
	return stopped(ctx, group.Wait())
}

func (c *cloud) runFleet(ctx context.Context, report func(error)) error {
	report(nil)
	return stopped(ctx, flush(ctx, c.fleet.Flush))
}

// flush tells facts that wait, now and then. That they still wait is no fault of
// the service: the state of the backup says so.
func flush(ctx context.Context, tell func(context.Context) error) error {
	for {
		_ = tell(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(flushPause):
		}
	}
}

// stopped is err, except that to end with ctx is no error.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (c *cloud) runBackup(ctx context.Context, report func(error)) error {
	report(nil)
	return c.backup.Run(ctx)
}

func (c *cloud) runBroker(ctx context.Context, report func(error)) error {
	c.log.Info("broker listens", "address", c.doors.broker.Addr().String(), "public", c.doors.brokerAddress(c.config))
	report(nil)
	return c.serveBroker(ctx)
}

func (c *cloud) runAPI(ctx context.Context, report func(error), stdout io.Writer) error {
	handler := httpapi.New(httpapi.Services{
		Identity:   operators{c.identity},
		Fleet:      c.fleet,
		Revoker:    revoker{c},
		History:    c.history,
		Broker:     connections{c.broker},
		Margins:    c,
		Alarms:     alarms{c},
		Backup:     watchedBackup{c.backup, c},
		Enrollment: enrollment{c},
		Status:     c,
		Keys:       ingestKeys{c.ingest},
	}, httpapi.Options{Version: self().VersionText(), Log: c.log.With("service", "api"), Stopping: ctx})
	c.log.Info("API listens", "address", c.doors.api.Addr().String(), "url", c.doors.apiURL(c.config))
	report(nil)
	if c.newOperator {
		fmt.Fprintf(stdout, "The first operator's key is in %s. Next:\n  calmsctl context create main --operator-file %[1]s\n", c.place.path(operatorName))
	}
	return serveHTTPS(ctx, newServer(handler, c.certificates.api.GetCertificate, c.log), c.doors.api)
}
