package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/identity"
	"go.calms.com/calms/pkg/program"
)

func newDoctor() *cobra.Command {
	var data, file string
	var output program.Output
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check one by one what the edge needs, and say what to do",
		Long:  "Exit status: 0 all checks passed; 3 some failed.",
		Example: `  calms-edge doctor
  calms-edge doctor --config edge.yaml -o json`,
		Args: program.ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := self().DataDir(data)
			if err != nil {
				return err
			}
			p := &patient{data: dir, file: self().ConfigFile(file), show: c.OutOrStdout()}
			if output.JSON() {
				p.show = io.Discard
			}
			p.examine(c.Context())
			if output.JSON() {
				if err := program.PrintJSON(c.OutOrStdout(), map[string]any{"checks": p.checks}); err != nil {
					return err
				}
			}
			if p.failed > 0 {
				return program.Quiet(calms.KindPartial)
			}
			return nil
		},
	}
	self().DataFlag(c, &data)
	self().ConfigFlag(c, &file)
	output.Flag(c)
	return c
}

// check is the result of one check.
type check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// patient is the edge that is examined, as far as it could be read.
type patient struct {
	data string
	file string
	show io.Writer

	config   config
	identity *identity.Identity // nil where the edge is not enrolled
	running  *status            // nil where no edge runs
	checks   []check
	failed   int
}

// examine does the checks in the order in which one needs the other.
func (p *patient) examine(ctx context.Context) {
	for _, c := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"data directory", p.checkData},
		{"disk", p.checkDisk},
		{"configuration", p.checkConfig},
		{"running", p.checkRunning},
		{"clock", p.checkClock},
		{"enrolment", p.checkIdentity},
		{"certificate", p.checkCertificate},
		{"API", p.checkAPI},
		{"broker", p.checkBroker},
		{"uplink", p.checkUplink},
		{"journal", p.checkJournal},
	} {
		text, err := c.do(ctx)
		p.note(c.name, text, err)
	}
	for _, in := range p.config.instruments {
		text, err := p.checkInstrument(ctx, in)
		p.note("instrument "+in.Name, text, err)
	}
}

// note shows and keeps a result; a check without a text does not apply.
func (p *patient) note(name, text string, err error) {
	if text == "" && err == nil {
		return
	}
	c := check{Name: name, OK: err == nil, Text: text}
	mark := "ok  "
	if err != nil {
		c.Text, c.Hint, mark = err.Error(), calms.HintOf(err), "FAIL"
		p.failed++
	}
	p.checks = append(p.checks, c)
	fmt.Fprintf(p.show, "%s  %-16s %s\n", mark, name, c.Text)
	if c.Hint != "" {
		fmt.Fprintf(p.show, "      %-16s hint: %s\n", "", c.Hint)
	}
}
