package endtoend

import (
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/wire"
)

// provision makes a ticket and returns it.
func (c *cloud) provision(path, flags string) string {
	c.rig.t.Helper()
	return strings.TrimSpace(c.rig.run("calmsctl device provision %s --context %s %s", path, c.name, flags))
}

// secretless looks for what no message may show: a part of the ticket.
func (r *rig) secretless(ticket, name string) {
	r.t.Helper()
	_, stderr, _ := r.try("calms-edge enroll --data %s --ticket-file %s.ticket", name, name)
	if secret := ticket[len(ticket)/2:]; strings.Contains(stderr, secret) {
		r.t.Errorf("the message shows the ticket:\n%s", stderr)
	}
}

func TestTicketsThatAreNoGood(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, other := r.newCloud("cloud", ""), r.newCloud("other", "")
	other.found()
	c.found() // the context in use
	good := c.provision("acme/ljubljana/comp-1", "")
	short := c.provision("acme/ljubljana/comp-2", "--ttl 1s")
	foreign := other.provision("acme/ljubljana/comp-1", "")

	parsed, err := wire.ParseTicket(good)
	if err != nil {
		t.Fatal(err)
	}
	wrong := parsed
	wrong.Secret[7] ^= 1
	alien, err := wire.ParseTicket(foreign)
	if err != nil {
		t.Fatal(err)
	}
	led := alien // whose bearer is led to another cloud than its own
	led.URL = parsed.URL
	mistyped := []byte(good)
	mistyped[40] ^= 3

	r.write("used.ticket", good)
	r.run("calms-edge enroll --data comp-1 --ticket-file used.ticket")
	time.Sleep(2 * time.Second) // the short one ends
	for name, c := range map[string]struct {
		ticket string
		code   int
		says   string
	}{
		"used":      {good, 6, "used"},
		"wrong":     {wrong.String(), 4, "wrong"},
		"mistyped":  {string(mistyped), 1, "the ticket"},
		"truncated": {good[:len(good)*2/3], 1, "truncated"},
		"expired":   {short, 4, "expired"},
		"led":       {led.String(), 1, "another cloud"},
		"newer":     {strings.Replace(good, "ticket-1.", "ticket-2.", 1), 1, "version 2"},
		"empty":     {"", 1, "no enrolment ticket"},
	} {
		r.write(name+".ticket", c.ticket)
		r.refused(c.code, []string{c.says, "hint: "}, "calms-edge enroll --data %s --ticket-file %s.ticket", name, name)
		if c.ticket != "" {
			r.secretless(c.ticket, name)
		}
	}
	// An edge that belongs to one cloud does not become another's.
	r.write("foreign.ticket", foreign)
	r.refused(6, []string{"hint: "}, "calms-edge enroll --data comp-1 --ticket-file foreign.ticket")
	r.refused(6, []string{"hint: "}, "calms-edge enroll --again --data comp-1 --ticket-file foreign.ticket")
	if who := (&edge{rig: r, name: "comp-1"}).whose(); who.Links().API != parsed.URL {
		t.Errorf("the edge belongs to %s, not to %s any more", who.Links().API, parsed.URL)
	}
}
