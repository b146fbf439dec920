package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// chapter is one part of the story.
type chapter struct {
	title string
	tell  func(ctx context.Context) error
}

func (d *demo) story() []chapter {
	return []chapter{
		{"One command is a whole cloud", d.startCloud},
		{"Backups that the cloud itself cannot read", d.protect},
		{"Three sites, enrolled with one-time tickets", d.startEdges},
		{"Live values", d.showValues},
		{"One site loses its link, and catches up", d.cutLink},
		{"A backup, and then more data that it does not hold", d.backUp},
		{"The cloud is gone: kill -9, and its disk with it", d.destroy},
		{"Back from the dead", d.restore},
		{"Proof, against the instruments' own logs", d.prove},
	}
}

// patience bounds every wait of the story.
const patience = 90 * time.Second

func (d *demo) file(name string) string { return filepath.Join(d.processes.dir, name) }

func (d *demo) startCloud(ctx context.Context) error {
	addresses, err := freeAddresses(2)
	if err != nil {
		return err
	}
	d.api, d.broker = addresses[0], addresses[1]
	config := fmt.Sprintf("listen:\n  api: %s\n  broker: %s\n  private: 127.0.0.1:0\n", d.api, d.broker)
	if err := os.WriteFile(d.file("cloud.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	if err := d.background("cloud", "calms-cloudd serve --data cloud --config cloud.yaml"); err != nil {
		return err
	}
	if err := d.cloudReady(ctx); err != nil {
		return err
	}
	for _, line := range []string{
		"calms-cloudd health --data cloud",
		"calmsctl context create demo --operator-file cloud/operator.yaml",
		"calmsctl org create acme",
		"calmsctl site create acme/ljubljana",
	} {
		if err := d.run(ctx, "%s", line); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) cloudReady(ctx context.Context) error {
	return d.await(ctx, "the cloud", patience, func() (string, bool) {
		if d.processes.ended("cloud") {
			return d.processes.tail("cloud"), false
		}
		err := d.processes.command(ctx, "calms-cloudd health --data cloud").Run()
		return "not ready yet", err == nil
	})
}

func (d *demo) protect(ctx context.Context) error {
	if err := d.run(ctx, "calmsctl backup keygen --file oncall-identity.txt"); err != nil {
		return err
	}
	text, err := os.ReadFile(d.file("oncall-identity.txt"))
	if err != nil {
		return err
	}
	recipient, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# public key: "), "\n")
	return d.run(ctx, "calmsctl backup init --folder %s --recipient %s", d.file("repository"), recipient)
}

func (d *demo) startEdges(ctx context.Context) error {
	for _, name := range []string{"comp-1", "comp-2", "comp-3"} {
		relay, err := newRelay(d.broker)
		if err != nil {
			return err
		}
		e := &edge{name: name, relay: relay}
		d.edges = append(d.edges, e)
		if err := d.startInstruments(e); err != nil {
			return err
		}
		if err := d.enrol(ctx, e); err != nil {
			return err
		}
	}
	for _, e := range d.edges {
		if err := d.background(e.name, "calms-edge run --data %s --config %s.yaml", e.name, e.name); err != nil {
			return err
		}
	}
	return nil
}

// startInstruments starts the edge's instruments and writes its configuration.
func (d *demo) startInstruments(e *edge) error {
	addresses, err := freeAddresses(2)
	if err != nil {
		return err
	}
	e.instruments = []instrument{
		{"air", "suto-s430", addresses[0], e.name + "-air.jsonl"},
		{"power", "eastron-sdm630", addresses[1], e.name + "-power.jsonl"},
	}
	// The relay is how the demo can cut one site's link and leave the others.
	config := fmt.Sprintf("batch: 1s\nuplink:\n  broker: %s\ninstruments:\n", e.relay.address())
	for _, i := range e.instruments {
		line := "calms-edge simulate --profile %s --listen %s --log %s"
		if err := d.background(e.name+"-"+i.name, line, i.profile, i.address, i.log); err != nil {
			return err
		}
		config += fmt.Sprintf("  - name: %s\n    profile: %s\n    address: %s\n    interval: 1s\n", i.name, i.profile, i.address)
	}
	return os.WriteFile(d.file(e.name+".yaml"), []byte(config), 0o600)
}

func (d *demo) enrol(ctx context.Context, e *edge) error {
	if err := d.run(ctx, "calmsctl device provision %s --ticket-file %s.ticket", e.path(), e.name); err != nil {
		return err
	}
	return d.run(ctx, "calms-edge enroll --data %s --ticket-file %s.ticket", e.name, e.name)
}

func (d *demo) showValues(ctx context.Context) error {
	for _, e := range d.edges {
		if err := d.await(ctx, "values of "+e.path(), patience, func() (string, bool) {
			var s api.Series
			err := d.ask(ctx, &s, "calmsctl data query %s/air-flow --limit 3 -o json", e.path())
			return "none yet", err == nil && len(s.Samples) == 3
		}); err != nil {
			return fmt.Errorf("%w\n%s", err, d.processes.tail(e.name))
		}
	}
	d.say("first values after %s", time.Since(d.began).Round(time.Second))
	if err := d.run(ctx, "calmsctl data query %s/air-flow --limit 5", d.edges[0].path()); err != nil {
		return err
	}
	if err := d.rest(ctx, 12*time.Second, "some seconds more, so that there is something to draw"); err != nil {
		return err
	}
	return d.run(ctx, "calmsctl data plot %s/air-flow --from -30s --height 10", d.edges[0].path())
}

// rest lets time pass and says why.
func (d *demo) rest(ctx context.Context, pause time.Duration, why string) error {
	d.say("%s", why)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}

func (d *demo) cutLink(ctx context.Context) error {
	e := d.edges[1]
	e.relay.setCut(true)
	d.say("the link of %s is cut; its instruments go on", e.path())
	if err := d.rest(ctx, 10*time.Second, "ten seconds without it"); err != nil {
		return err
	}
	if err := d.run(ctx, "calms-edge status --data %s", e.name); err != nil {
		return err
	}
	e.relay.setCut(false)
	d.say("the link is back")
	if err := d.caughtUp(ctx, e); err != nil {
		return err
	}
	return d.run(ctx, "calmsctl data plot %s/air-flow --from -30s --height 8", e.path())
}

// caughtUp waits until the cloud has everything that the edge had a moment ago.
func (d *demo) caughtUp(ctx context.Context, e *edge) error {
	asked := time.Now()
	return d.await(ctx, e.path()+" to catch up", patience, func() (string, bool) {
		var s api.Series
		if err := d.ask(ctx, &s, "calmsctl data query %s/air-flow --limit 1 -o json", e.path()); err != nil || len(s.Samples) == 0 {
			return "no values", false
		}
		newest := s.Samples[0].Time
		return "newest value is " + time.Since(newest).Round(time.Second).String() + " old", newest.After(asked)
	})
}

func (d *demo) backUp(ctx context.Context) error {
	for _, line := range []string{"calmsctl backup create", "calmsctl backup list", "calmsctl backup verify latest"} {
		if err := d.run(ctx, "%s", line); err != nil {
			return err
		}
	}
	if err := d.rest(ctx, 10*time.Second, "ten seconds of data that no backup holds"); err != nil {
		return err
	}
	return d.run(ctx, "calmsctl device list")
}

func (d *demo) destroy(ctx context.Context) error {
	d.typed("kill -9 $(pidof calms-cloudd); rm -rf cloud")
	if err := d.processes.kill("cloud"); err != nil {
		return err
	}
	if err := os.RemoveAll(d.file("cloud")); err != nil {
		return err
	}
	return d.rest(ctx, 6*time.Second, "nobody answers; the edges go on measuring and keep everything")
}

func (d *demo) restore(ctx context.Context) error {
	if err := d.background("cloud", "calms-cloudd serve --data cloud --config cloud.yaml --recover --repository repository"); err != nil {
		return err
	}
	if err := d.await(ctx, "recovery mode", patience, func() (string, bool) {
		_, err := os.Stat(d.file("cloud/recovery.yaml"))
		return "no recovery file yet", err == nil
	}); err != nil {
		return fmt.Errorf("%w\n%s", err, d.processes.tail("cloud"))
	}
	if err := d.run(ctx, "calmsctl restore --recovery-file cloud/recovery.yaml --identity oncall-identity.txt --yes"); err != nil {
		return fmt.Errorf("%w\n%s", err, d.processes.tail("cloud"))
	}
	return d.run(ctx, "calmsctl data plot %s/air-flow --from -60s --height 10", d.edges[0].path())
}

func (d *demo) prove(ctx context.Context) error {
	cutoff := time.Now()
	for _, e := range d.edges {
		if err := d.caughtUp(ctx, e); err != nil {
			return err
		}
	}
	if err := d.run(ctx, "calmsctl data export acme --file export.jsonl"); err != nil {
		return err
	}
	before, all := map[string]series{}, map[string]series{}
	for _, e := range d.edges {
		for _, i := range e.instruments {
			// A tick's reading may be under way at the cut-off.
			if err := readLog(d.file(i.log), e.path()+"/"+i.name+"-", cutoff.Add(-time.Second), before, all); err != nil {
				return err
			}
		}
	}
	stored, err := readExport(d.file("export.jsonl"))
	if err != nil {
		return err
	}
	v := compare(before, all, stored)
	d.plain("the instruments served   %6d values (until %s)", v.Served, cutoff.Format(time.TimeOnly))
	d.plain("the cloud exports        %6d values, some of them younger", v.Stored)
	d.plain("missing %d, double %d, never served %d", v.Missing, v.Doubled, v.Foreign)
	if !v.clean() {
		return calms.Errorf(calms.KindInternal, "the cloud does not have exactly what the instruments served")
	}
	d.say("nothing is missing and nothing is double")
	return nil
}
