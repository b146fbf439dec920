package endtoend

import (
	"fmt"
	"os"
	"strings"

	"go.calms.com/calms/pkg/api"
)

// cloud is one calms-cloudd with its data directory.
type cloud struct {
	rig     *rig
	name    string // of its data directory, log and configuration
	data    string
	api     string // host:port
	broker  string
	private string
	process *process
}

// newCloud writes the configuration of a cloud; more is added to it.
func (r *rig) newCloud(name, more string) *cloud {
	r.t.Helper()
	c := &cloud{rig: r, name: name, data: name, api: freeAddress(r.t), broker: freeAddress(r.t), private: freeAddress(r.t)}
	r.write(name+".yaml", fmt.Sprintf("listen: {api: %q, broker: %q, private: %q}\n%s", c.api, c.broker, c.private, more))
	return c
}

// start starts it; env may arm a crash point.
func (c *cloud) start(env ...string) {
	c.rig.t.Helper()
	c.startWith("", env...)
}

// startWith is start with more flags.
func (c *cloud) startWith(flags string, env ...string) {
	c.rig.t.Helper()
	cmd := c.rig.command("calms-cloudd serve --data %s --config %s.yaml %s", c.data, c.name, flags)
	cmd.Env = append(cmd.Env, env...)
	c.process = c.rig.spawn(c.name, cmd)
}

// ready waits until all services answer.
func (c *cloud) ready() {
	c.rig.t.Helper()
	c.rig.await(c.name+" is ready", func() bool {
		if !c.process.running() {
			c.rig.t.Fatalf("%s has ended\n%s", c.name, c.rig.tail(c.name))
		}
		_, _, code := c.rig.try("calms-cloudd health --data %s", c.data)
		return code == 0
	})
}

// found starts a new cloud and makes the place of the tests' devices.
func (c *cloud) found() {
	c.rig.t.Helper()
	c.start()
	c.ready()
	c.rig.run("calmsctl context create %s --operator-file %s/operator.yaml", c.name, c.data)
	c.rig.run("calmsctl org create acme --context %s", c.name)
	c.rig.run("calmsctl site create acme/ljubljana --context %s", c.name)
}

// burn destroys the cloud: kill -9, and its disk with it.
func (c *cloud) burn() {
	c.rig.t.Helper()
	c.process.kill()
	if err := os.RemoveAll(c.rig.file(c.data)); err != nil {
		c.rig.t.Fatal(err)
	}
}

// repository makes the folder that backups go to, and the file that restores.
func (c *cloud) repository() {
	c.rig.t.Helper()
	c.rig.run("calmsctl backup keygen --file person.txt")
	recipient, _, _ := strings.Cut(strings.TrimPrefix(c.rig.read("person.txt"), "# public key: "), "\n")
	c.rig.run("calmsctl backup init --folder %s --recipient %s", c.rig.file("repository"), recipient)
}

// snapshot makes a backup and returns its id.
func (c *cloud) snapshot() string {
	c.rig.t.Helper()
	var s api.Snapshot
	if !c.rig.ask(&s, "calmsctl backup create -o json") || s.State != api.SnapshotDone {
		c.rig.t.Fatalf("no snapshot: %+v\n%s", s, c.rig.tail(c.name))
	}
	return s.ID
}

// restore brings a burnt cloud back and waits until the edges have replayed.
func (c *cloud) restore(snapshot string) {
	c.rig.t.Helper()
	c.startWith("--recover --repository " + c.rig.file("repository"))
	c.rig.await("the recovery file is there", func() bool {
		_, err := os.Stat(c.rig.file(c.data, "recovery.yaml"))
		return err == nil
	})
	c.rig.run("calmsctl restore --recovery-file %s/recovery.yaml --identity person.txt --snapshot %s --wait=90s --yes", c.data, snapshot)
	c.ready()
}

// device asks the cloud for a device.
func (c *cloud) device(path string) (d api.Device, ok bool) {
	return d, c.rig.ask(&d, "calmsctl device get %s -o json", path)
}

// alarmed reports whether an alarm of a kind stands.
func (c *cloud) alarmed(kind string) bool {
	stdout, _, code := c.rig.try("calmsctl alarm list -o jsonl")
	return code == 0 && strings.Contains(stdout, `"kind":"`+kind+`"`)
}
