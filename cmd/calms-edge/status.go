package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/agent"
	"go.calms.com/calms/pkg/edge/clock"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/edge/uplink"
	"go.calms.com/calms/pkg/program"
	"go.calms.com/calms/pkg/store"
)

// status is one look at a running edge.
type status struct {
	Version     string               `json:"version"`
	Device      calms.DeviceID       `json:"device"`
	Path        calms.Path           `json:"path"`
	Started     time.Time            `json:"started"`
	Now         time.Time            `json:"now"`
	Alarms      []alarm              `json:"alarms"`
	Clock       clock.Status         `json:"clock"`
	Uplink      uplink.Status        `json:"uplink"`
	Broker      string               `json:"broker"`
	Certificate certificateStatus    `json:"certificate"`
	Journal     journalStatus        `json:"journal"`
	Recorder    agent.RecorderStatus `json:"recorder"`
	Samples     sensor.SinkCounters  `json:"samples"`
	Instruments []instrumentStatus   `json:"instruments"`
	Imports     []importStatus       `json:"imports,omitempty"`
}

// alarm is something that somebody should look at.
type alarm struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

type certificateStatus struct {
	NotAfter time.Time `json:"notAfter"`
	Renewal  time.Time `json:"renewal"` // the next attempt
	Failures int       `json:"failures"`
	Error    string    `json:"error,omitempty"`
}

// journalStatus is what the journal holds, the current journal's name first.
type journalStatus struct {
	Journal string    `json:"journal"`
	Head    uint64    `json:"head"`
	Cursor  uint64    `json:"cursor"`
	Covered uint64    `json:"covered"`
	Waiting uint64    `json:"waiting"` // entries of all journals that the cloud does not have
	Bytes   int64     `json:"bytes"`
	Limit   int64     `json:"limit"`
	Oldest  time.Time `json:"oldest"` // sample that is still held; zero where unknown
	Newest  time.Time `json:"newest"`
}

type instrumentStatus struct {
	Name        string            `json:"name"`
	Reads       uint64            `json:"reads"`
	Failures    map[string]uint64 `json:"failures"` // bad samples by reason
	MissedTicks uint64            `json:"missedTicks"`
	Lateness    time.Duration     `json:"lateness"` // of the newest read, nanoseconds
	LastError   string            `json:"lastError,omitempty"`
	Channels    []channelStatus   `json:"channels"`
}

type channelStatus struct {
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Time    time.Time `json:"time"`            // zero where no time or no sample is known
	Value   *float64  `json:"value,omitempty"` // absent where the quality is bad
	Quality string    `json:"quality,omitempty"`
}

// status looks at all parts.
func (e *edge) status(ctx context.Context) status {
	s := status{
		Version: self().VersionText(), Device: e.identity.Device(), Path: e.identity.Path(),
		Started: e.start, Now: e.clock.Now(), Clock: e.clock.Status(),
		Uplink: e.uplink.Status(), Broker: e.identity.Links().Broker,
		Recorder: e.recorder.Status(), Imports: e.keeper.imports.status(),
	}
	renewal := e.renewer.Status()
	s.Certificate = certificateStatus{NotAfter: renewal.NotAfter, Renewal: renewal.Next, Failures: renewal.Failures}
	if renewal.Err != nil {
		s.Certificate.Error = renewal.Err.Error()
	}
	stat, err := e.keeper.Stat(ctx)
	s.Journal = summarize(stat)
	counters := e.sampler.Counters()
	s.Samples = counters.Sink
	for _, c := range counters.Instruments {
		s.Instruments = append(s.Instruments, e.instrument(c))
	}
	s.Alarms = e.alarms(s, err)
	return s
}

// summarize adds up what is held of all journals.
func summarize(stat journal.Stat) journalStatus {
	s := journalStatus{Bytes: stat.Bytes, Limit: stat.Limit}
	for _, j := range stat.Journals {
		s.Journal, s.Head, s.Cursor, s.Covered = j.ID.Name(), j.Head, j.Cursor, j.Covered
		s.Waiting += j.Head - min(j.Cursor, j.Head)
		if s.Oldest.IsZero() {
			s.Oldest = fromNanos(j.Since)
		}
		s.Newest = fromNanos(j.Until)
	}
	return s
}

func (e *edge) instrument(c sensor.InstrumentCounters) instrumentStatus {
	s := instrumentStatus{
		Name: c.Instrument, Reads: c.Reads, MissedTicks: c.MissedTicks, Lateness: c.Lateness,
		LastError: c.LastError, Failures: map[string]uint64{},
	}
	for quality, n := range c.Failures {
		s.Failures[quality.String()] = n
	}
	for i, channel := range e.sampler.Channels() {
		if channel.Instrument == c.Instrument {
			s.Channels = append(s.Channels, e.channel(i, channel))
		}
	}
	return s
}

func (e *edge) channel(i int, c sensor.Channel) channelStatus {
	s := channelStatus{Name: c.Name, Unit: c.Unit}
	sample, known := e.sampler.Newest(i)
	if !known {
		return s
	}
	s.Quality = sample.Quality.String()
	if !sample.Quality.IsBad() {
		s.Value = &sample.Value
	}
	if offset, known := e.clock.Offset(); known {
		s.Time = time.Unix(0, sample.Time+offset).UTC()
	}
	return s
}

// alarms is what is wrong now.
func (e *edge) alarms(s status, journalErr error) []alarm {
	alarms := []alarm{}
	raise := func(kind, hint, format string, args ...any) {
		alarms = append(alarms, alarm{kind, fmt.Sprintf(format, args...), hint})
	}
	cannotOpen, aside := e.keeper.problems()
	if err := errors.Join(cannotOpen, journalErr); err != nil {
		hint := "calms-edge doctor"
		if errors.Is(err, store.ErrFull) {
			hint = "free space on the disk of the data directory"
		}
		raise("journal", hint, "the journal cannot be used: %v", err)
	}
	for _, path := range aside {
		raise("journal-damaged", "calms-edge journal export --journal "+path+" FILE, then calms-edge journal import FILE", "a damaged journal was set aside as %s", path)
	}
	if s.Samples.LastError != "" {
		raise("not-stored", "calms-edge doctor", "%d samples wait in memory: %s", s.Samples.Pending, s.Samples.LastError)
	}
	if s.Samples.Dropped > 0 {
		raise("dropped", "", "%d samples were lost because they could not be stored in time", s.Samples.Dropped)
	}
	if !s.Clock.Known {
		raise("clock", "let chrony or systemd-timesyncd keep the clock", "the time is not known: samples are placed in time when it is")
	} else if s.Clock.Away.Abs() > time.Second {
		raise("clock", "timedatectl", "the wall clock is %s away from the time that samples are placed by", span(s.Clock.Away.Abs()))
	}
	if s.Certificate.Failures > 0 && s.Now.After(s.Certificate.NotAfter) {
		raise("certificate", "calms-edge doctor", "the certificate has expired and is not renewed: %s", s.Certificate.Error)
	}
	for _, in := range s.Instruments {
		if in.LastError != "" {
			raise("instrument", "calms-edge doctor", "%s: %s", in.Name, in.LastError)
		}
	}
	return alarms
}

func newStatus() *cobra.Command {
	var data string
	var output program.Output
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how the running edge gets on",
		Long:  `Exit status: 0 it runs; 7 no edge runs on this data directory.`,
		Example: `  calms-edge status
  calms-edge status -o json`,
		Args: program.ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := self().DataDir(data)
			if err != nil {
				return err
			}
			s, err := askStatus(c.Context(), dir)
			if err != nil {
				return err
			}
			if output.JSON() {
				return program.PrintJSON(c.OutOrStdout(), s)
			}
			return s.print(c.OutOrStdout())
		},
	}
	self().DataFlag(c, &data)
	output.Flag(c)
	return c
}

// print shows a status to people.
func (s status) print(w io.Writer) error {
	t := newTable(w)
	t.row("device", fmt.Sprintf("%s (%s)", s.Path, s.Device))
	t.row("running", fmt.Sprintf("%s, since %s", s.Version, when(s.Started)))
	t.row("clock", s.clockText())
	t.row("uplink", s.uplinkText())
	t.row("certificate", "until "+when(s.Certificate.NotAfter))
	t.row("journal", fmt.Sprintf("%s, entry %d, the cloud has %d, %d wait", s.Journal.Journal, s.Journal.Head, s.Journal.Cursor, s.Journal.Waiting))
	t.row("", fmt.Sprintf("%s of %s, back to %s", size(s.Journal.Bytes), size(s.Journal.Limit), when(s.Journal.Oldest)))
	t.row("samples", fmt.Sprintf("%d stored, %d in memory, %d lost", s.Samples.Stored, s.Samples.Pending, s.Samples.Dropped))
	for _, i := range s.Imports {
		t.row("import", fmt.Sprintf("%s: journal %s, the cloud has %d of %d", i.File, i.Journal, i.Cursor, i.Last))
	}
	if err := t.flush(); err != nil {
		return err
	}
	s.printInstruments(w)
	for _, a := range s.Alarms {
		fmt.Fprintf(w, "\nALARM %s: %s\n", a.Kind, a.Text)
		if a.Hint != "" {
			fmt.Fprintf(w, "      hint: %s\n", a.Hint)
		}
	}
	return nil
}

func (s status) clockText() string {
	if !s.Clock.Known {
		return "unknown"
	}
	kept := "nobody keeps it right"
	if s.Clock.Synced {
		kept = "synchronised"
	}
	return fmt.Sprintf("%s, %s, within %s", s.Now.UTC().Format("2006-01-02 15:04:05Z"), kept, span(s.Clock.Error))
}

func (s status) uplinkText() string {
	switch {
	case s.Uplink.Talking:
		return fmt.Sprintf("up, %s, since %s", s.Broker, when(s.Uplink.Since))
	case s.Uplink.Connected:
		return fmt.Sprintf("connected to %s, the cloud has not answered yet", s.Broker)
	case s.Uplink.LastError != "":
		return fmt.Sprintf("down since %s: %s", when(s.Uplink.Since), s.Uplink.LastError)
	}
	return "down, connecting to " + s.Broker
}

func (s status) printInstruments(w io.Writer) {
	t := newTable(w)
	if len(s.Instruments) > 0 {
		t.row("\nINSTRUMENT", "CHANNEL", "VALUE", "UNIT", "QUALITY", "TIME")
	}
	for _, in := range s.Instruments {
		for _, c := range in.Channels {
			value, at := "-", "-"
			if c.Value != nil {
				value = fmt.Sprintf("%.6g", *c.Value)
			}
			if !c.Time.IsZero() {
				at = c.Time.Format("15:04:05.000Z")
			}
			t.row(in.Name, c.Name, value, c.Unit, c.Quality, at)
		}
	}
	_ = t.flush() // a writer that fails is noticed by the next line
}
