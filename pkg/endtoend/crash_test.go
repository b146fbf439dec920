package endtoend

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// crashPoints are the steps between "sample taken" and "cursor message
// handled", and whose they are.
var crashPoints = map[string][]string{
	"edge": {
		"sampler.taken", "agent.encoded", "journal.sealed", "journal.written", "journal.committed",
		"uplink.published", "uplink.received", "uplink.handled",
	},
	"cloud": {"ingest.received", "ingest.opened", "history.written", "history.committed", "ingest.replied"},
}

// The size of the ordinary crash test; the soak is so many times as long.
const (
	killsOfEdge     = 40
	killsOfCloud    = 40
	killsOfListener = 10
	cutsOfLink      = 12
	leastSamples    = 200_000
	soakFactor      = 10
)

// load is many samples in small batches, so that a kill meets one of each state.
var load = pace{floats: 300, interval: 100 * time.Millisecond, batch: 500 * time.Millisecond}

// crashes is one run of the crash test.
type crashes struct {
	*rig
	random *rand.Rand
	cloud  *cloud
	edge   *edge
	deaths []death        // of the edge
	counts map[string]int // what was done
	before map[string]int // counters of the clouds that died
}

// TestCrash kills everything at every step, and then holds what the cloud has
// against the instrument's own log.
func TestCrash(t *testing.T) {
	c := &crashes{rig: newRig(t), counts: map[string]int{}, before: map[string]int{}}
	c.random = rand.New(rand.NewPCG(seed(t), 0))
	c.cloud = c.newCloud("cloud", "")
	c.cloud.found()
	c.edge = c.cloud.newEdge("comp-3", load)
	c.edge.start()
	c.edge.talks()
	factor := 1
	if os.Getenv("CALMS_SOAK") != "" {
		factor = soakFactor
	}
	began := time.Now()
	for _, act := range c.schedule(factor) {
		c.pause(1500 * time.Millisecond)
		act()
	}
	c.await(fmt.Sprintf("%d samples are counted", leastSamples*factor), func() bool {
		return c.edge.journal().counted() >= leastSamples*factor
	})
	c.edge.drain()
	t.Logf("%s: %v", time.Since(began).Round(time.Second), c.counts)
	c.judge()
}

// seed is CALMS_SEED, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64N(1_000_000)
	if text := os.Getenv("CALMS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CALMS_SEED: %v", err)
		}
	}
	t.Logf("CALMS_SEED=%d repeats this", seed)
	return seed
}

// schedule is all that is to be done, in the seed's order.
func (c *crashes) schedule(factor int) []func() {
	var acts []func()
	add := func(n int, act func()) {
		for range n * factor {
			acts = append(acts, act)
		}
	}
	add(killsOfEdge, c.killEdge)
	add(killsOfCloud, c.killCloud)
	add(killsOfListener, c.killListener)
	add(cutsOfLink, c.cutLink)
	for _, point := range crashPoints["edge"] {
		add(1, func() { c.crashEdge(point) })
	}
	for _, point := range crashPoints["cloud"] {
		add(1, func() { c.crashCloud(point) })
	}
	c.random.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	return acts
}

// pause is a moment of the seed's choice.
func (c *crashes) pause(longest time.Duration) {
	time.Sleep(time.Duration(c.random.Int64N(int64(longest))))
}

func (c *crashes) killEdge() {
	from := c.edge.process.kill()
	c.deaths = append(c.deaths, death{from, time.Now()})
	c.counts["kills of the edge"]++
	c.pause(400 * time.Millisecond)
	c.edge.start()
}

func (c *crashes) killCloud() {
	c.note()
	c.cloud.process.kill()
	c.counts["kills of the cloud"]++
	c.pause(800 * time.Millisecond)
	c.cloud.start()
	c.cloud.ready()
}

func (c *crashes) killListener() {
	if err := c.cloud.process.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		c.t.Fatal(err)
	}
	c.await("the listener was killed", func() bool {
		return strings.Count(c.read("cloud.log"), "broker's listener was killed") > c.counts["kills of the listener"]
	})
	c.counts["kills of the listener"]++
}

// cutLink takes the link away for a while, during which the next things happen.
func (c *crashes) cutLink() {
	c.edge.relay.setCut(true)
	c.counts["cuts of the link"]++
	time.AfterFunc(time.Duration(c.random.Int64N(int64(3*time.Second))), func() { c.edge.relay.setCut(false) })
}

// arm is the environment of a process that dies at one of the next passages.
func (c *crashes) arm(point string) string {
	return fmt.Sprintf("CALMS_CRASH_AT=%s:%d", point, 1+c.random.IntN(3))
}

func (c *crashes) crashEdge(point string) {
	from := c.edge.process.kill()
	c.deaths = append(c.deaths, death{from, time.Now()})
	c.edge.start(c.arm(point))
	died := c.edge.process.awaitCrash(point)
	c.deaths = append(c.deaths, death{died.Add(-time.Second / 10), died})
	c.counts["crashes at "+point]++
	c.edge.start()
}

func (c *crashes) crashCloud(point string) {
	c.note()
	c.cloud.process.kill()
	c.cloud.start(c.arm(point))
	c.cloud.process.awaitCrash(point)
	c.counts["crashes at "+point]++
	c.cloud.start()
	c.cloud.ready()
}

// note adds up the counters of a cloud that is about to die.
func (c *crashes) note() {
	answer, err := http.Get("http://" + c.cloud.private + "/metrics")
	if err != nil {
		return // it is down already; the figures are for reading only
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		for _, name := range []string{"duplicates", "dropped", "quarantines", "gaps"} {
			if value, ok := strings.CutPrefix(lines.Text(), "calms_ingest_"+name+"_total "); ok {
				n, _ := strconv.ParseFloat(value, 64) // as above
				c.before[name] += int(n)
			}
		}
	}
}

// tailAllowed is how young a value must be that a kill may take: it was not
// stored yet because its batch was not full, or was on its way to the disk.
const tailAllowed = 500*time.Millisecond + 20*100*time.Millisecond

func (c *crashes) judge() {
	c.note()
	v := c.edge.judge(c.cloud.export(), c.deaths, tailAllowed)
	counted := c.edge.journal().counted()
	c.t.Logf("%s", v)
	c.t.Logf("the edge counted %d samples in %d conversations; entries sent again and dropped as duplicates %d, malformed or forged %d, quarantined %d, gaps %d (of killed clouds: until shortly before)",
		counted, strings.Count(c.read("comp-3.log"), "uplink up"), c.before["duplicates"], c.before["dropped"], c.before["quarantines"], c.before["gaps"])
	if faults := v.faults(); faults != "" {
		c.t.Errorf("the cloud does not have what the instrument served:\n%s", faults)
	}
	if counted != v.Good+v.Bad {
		c.t.Errorf("the edge counted %d samples, and %d are exported", counted, v.Good+v.Bad)
	}
	if v.Good < leastSamples/2 {
		c.t.Errorf("only %d values were measured", v.Good)
	}
	if n := c.before["quarantines"] + c.before["gaps"]; n > 0 {
		c.t.Errorf("%d forks and gaps, although nobody copied or lost anything", n)
	}
}
