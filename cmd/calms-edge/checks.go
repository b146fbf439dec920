package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/clock"
	"go.calms.com/calms/pkg/edge/identity"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/edge/sensor"
)

// checkTimeout bounds each check that asks somebody else.
const checkTimeout = 10 * time.Second

func (p *patient) checkData(context.Context) (string, error) {
	_, err := os.Stat(p.data)
	if errors.Is(err, fs.ErrNotExist) {
		return "", calms.Errorf(calms.KindNotFound, "%s is not there", p.data).WithHint("calms-edge enroll makes it")
	}
	if err != nil {
		return "", err
	}
	if err := checkPrivate(p.data); err != nil {
		return "", err
	}
	if err := unix.Access(p.data, unix.W_OK); err != nil {
		return "", calms.Errorf(calms.KindForbidden, "%s cannot be written: %w", p.data, err).WithHint("run it as the user that the directory belongs to")
	}
	return p.data, nil
}

// leastFree is how much free space a disk should have beside the journal.
const leastFree = 64 << 20

func (p *patient) checkDisk(context.Context) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(p.data, &s); err != nil {
		return "", nil // told by the check before
	}
	free := int64(s.Bavail) * int64(s.Bsize)
	if free < leastFree {
		return "", calms.Errorf(calms.KindUnavailable, "only %s are free", size(free)).WithHint("free some space on the disk of %s", p.data)
	}
	return size(free) + " free", nil
}

func (p *patient) checkConfig(context.Context) (text string, err error) {
	if p.config, err = loadConfig(p.file); err != nil {
		return "", err
	}
	if err := p.config.checkInstruments(); err != nil {
		return "", err
	}
	if len(p.config.instruments) == 0 {
		return "", calms.Errorf(calms.KindInvalid, "no instruments are configured").WithHint("calms-edge config show > edge.yaml, and --config edge.yaml")
	}
	return fmt.Sprintf("%s, %d instruments", p.config.file, len(p.config.instruments)), nil
}

func (p *patient) checkRunning(ctx context.Context) (string, error) {
	s, err := askStatus(ctx, p.data)
	if err != nil {
		return "", err
	}
	p.running = &s
	return "since " + when(s.Started), nil
}

func (p *patient) checkClock(context.Context) (string, error) {
	r, err := clock.Read()
	if err != nil {
		return "", err
	}
	now := time.Unix(0, r.UTC)
	if now.Before(buildTime()) {
		return "", calms.Errorf(calms.KindInvalid, "it says %s, which is before this program was built", now.UTC().Format(time.RFC3339)).
			WithHint("let chrony or systemd-timesyncd keep the clock, or set it: timedatectl set-time")
	}
	if !r.Synced {
		return fmt.Sprintf("%s, nobody keeps it right", now.UTC().Format(time.RFC3339)), nil
	}
	return fmt.Sprintf("%s, within %s", now.UTC().Format(time.RFC3339), span(r.Error)), nil
}

func (p *patient) checkIdentity(context.Context) (text string, err error) {
	if p.identity, err = identity.Open(identityDir(p.data)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%s)", p.identity.Path(), p.identity.Device()), nil
}

func (p *patient) checkCertificate(context.Context) (string, error) {
	if p.identity == nil {
		return "", nil
	}
	end := p.identity.Certificate().Leaf.NotAfter
	if time.Now().After(end) {
		return "", calms.Errorf(calms.KindInvalid, "it expired %s", when(end)).
			WithHint("a running edge renews it; after too long an operator re-authorises it: calmsctl device provision, then calms-edge enroll --again")
	}
	return "until " + when(end), nil
}

func (p *patient) checkAPI(ctx context.Context) (string, error) {
	if p.identity == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	client, err := p.identity.Client(self().VersionText(), nil)
	if err != nil {
		return "", err
	}
	defer client.Close()
	v, err := client.Version(ctx)
	if err != nil {
		return "", calms.Wrap(p.identity.Links().API, err)
	}
	return fmt.Sprintf("%s, version %s", p.identity.Links().API, v.Version), nil
}

func (p *patient) checkBroker(ctx context.Context) (string, error) {
	if p.identity == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	address := p.identity.Links().Broker
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", calms.Errorf(calms.KindInvalid, "%q is no address: %w", address, err)
	}
	if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return "", calms.Errorf(calms.KindUnreachable, "the name %s is not found: %w", host, err).WithHint("check the resolver: resolvectl query %s", host)
	}
	err = tryTLS(ctx, address, &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: p.identity.Roots(), Certificates: []tls.Certificate{*p.identity.Certificate()},
	})
	switch calms.KindOf(err) {
	case calms.KindForbidden:
		return "", calms.Errorf(calms.KindForbidden, "%w", err).WithHint("the certificate has expired or the device is revoked: ask the cloud's operator (calmsctl device get)")
	case calms.KindUnreachable:
		return "", calms.Errorf(calms.KindUnreachable, "%w", err).WithHint("check the network and the firewall: TCP to %s must go out", address)
	}
	if err != nil {
		return "", err
	}
	return address + " accepts the certificate", nil
}

func (p *patient) checkUplink(context.Context) (string, error) {
	if p.running == nil {
		return "", nil
	}
	if !p.running.Uplink.Talking {
		return "", calms.Errorf(calms.KindUnreachable, "%s", p.running.uplinkText())
	}
	return p.running.uplinkText(), nil
}

func (p *patient) checkJournal(ctx context.Context) (string, error) {
	path := journalFile(p.data)
	if _, err := os.Stat(path); p.identity == nil || err != nil {
		return "", nil // none before the first run
	}
	j, err := journal.Inspect(ctx, path, journal.Options{Device: p.identity.Device()})
	if err != nil {
		return "", err
	}
	defer j.Close()
	stat, err := j.Stat(ctx)
	if err != nil {
		return "", err
	}
	s := summarize(stat)
	if p.running != nil && p.running.Samples.LastError != "" {
		return "", calms.Errorf(calms.KindUnavailable, "%d samples wait in memory: %s", p.running.Samples.Pending, p.running.Samples.LastError)
	}
	return fmt.Sprintf("%s, entry %d, %d wait for the cloud, %s", s.Journal, s.Head, s.Waiting, size(s.Bytes)), nil
}

// checkInstrument reads an instrument once. Some answer one client only, so a
// running edge is asked instead.
func (p *patient) checkInstrument(ctx context.Context, in instrument) (string, error) {
	if p.running != nil {
		for _, r := range p.running.Instruments {
			if r.Name == in.Name {
				return answered(in, r.LastError, len(r.Channels))
			}
		}
	}
	opened, err := in.open()
	if err != nil {
		return "", err
	}
	defer opened.Driver.Close()
	all := make([]int, len(opened.Driver.Points()))
	for i := range all {
		all[i] = i
	}
	ctx, cancel := context.WithTimeout(ctx, in.Timeout+time.Second)
	defer cancel()
	problem := ""
	if err := opened.Driver.Read(ctx, all, make([]sensor.Reading, len(all))); err != nil {
		problem = err.Error()
	}
	return answered(in, problem, len(all))
}

func answered(in instrument, problem string, values int) (string, error) {
	if problem != "" {
		return "", calms.Errorf(calms.KindUnreachable, "%s", problem).
			WithHint("check address, unit id and cable; %s: %s", in.origin, in.Address)
	}
	return fmt.Sprintf("%s answers, %d values", in.Address, values), nil
}
