package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/edge/sensor/modbus"
	"go.calms.com/calms/pkg/edge/sensor/profile"
)

const (
	instrumentsKey  = "instruments"
	defaultInterval = time.Second
)

// instrument is one element of the list of instruments.
type instrument struct {
	origin   string // file and line where it begins
	Name     string
	Profile  string
	Address  string
	Unit     uint8
	Interval time.Duration
	Timeout  time.Duration
	Channels []channel
}

// channel is one element of an instrument's list of channels.
type channel struct {
	Point    string
	Name     string
	Interval time.Duration
}

// fields reads the keys of one element by functions that take a value.
type fields map[string]func(*yaml.Node) error

// read walks an element; at names it, as in "instruments[0]".
func (f fields) read(file, at string, node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return calms.Errorf(calms.KindInvalid, "%s:%d: %s: keys are needed here, such as %s", file, node.Line, at, strings.Join(f.names(), ", "))
	}
	var mistakes []error
	seen := map[string]bool{}
	for i := 0; i < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if seen[name.Value] {
			mistakes = append(mistakes, calms.Errorf(calms.KindInvalid, "%s:%d: %s: key %q stands here already", file, name.Line, at, name.Value))
			continue
		}
		seen[name.Value] = true
		mistakes = append(mistakes, f.take(file, at, name, value))
	}
	return errors.Join(mistakes...)
}

// take reads one key.
func (f fields) take(file, at string, name, value *yaml.Node) error {
	take, known := f[name.Value]
	if !known {
		return calms.Errorf(calms.KindInvalid, "%s:%d: %s: unknown key %q; known here are %s", file, name.Line, at, name.Value, strings.Join(f.names(), ", ")).
			WithHint("calms-edge config schema")
	}
	err := take(value)
	if err == nil || strings.HasPrefix(err.Error(), file+":") { // from a list below, with its own line
		return err
	}
	return calms.Errorf(calms.KindInvalid, "%s:%d: %s.%s: %w", file, value.Line, at, name.Value, err)
}

func (f fields) names() []string {
	var names []string
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func text(into *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			return calms.Errorf(calms.KindInvalid, "one value is needed here")
		}
		*into = n.Value
		return nil
	}
}

func duration(into *time.Duration) func(*yaml.Node) error {
	return func(n *yaml.Node) (err error) {
		if *into, err = time.ParseDuration(n.Value); err != nil {
			return calms.Errorf(calms.KindInvalid, "%q is no duration: use 500ms, 1s or 5m", n.Value)
		}
		return nil
	}
}

func unit(into *uint8) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		number, err := strconv.ParseUint(n.Value, 10, 8)
		if err != nil {
			return calms.Errorf(calms.KindInvalid, "%q is no unit id from 0 to 255", n.Value)
		}
		*into = uint8(number)
		return nil
	}
}

// list reads each element of a list.
func list(read func(i int, n *yaml.Node) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.SequenceNode {
			return calms.Errorf(calms.KindInvalid, "a list is needed here")
		}
		var mistakes []error
		for i, element := range n.Content {
			mistakes = append(mistakes, read(i, element))
		}
		return errors.Join(mistakes...)
	}
}

func readInstruments(file string, node *yaml.Node) ([]instrument, error) {
	var instruments []instrument
	err := list(func(i int, n *yaml.Node) error {
		in, err := readInstrument(file, fmt.Sprintf("instruments[%d]", i), n)
		instruments = append(instruments, in)
		return err
	})(node)
	if err != nil && !strings.HasPrefix(err.Error(), file+":") {
		err = calms.Errorf(calms.KindInvalid, "%s:%d: instruments: %w", file, node.Line, err)
	}
	return instruments, err
}

func readInstrument(file, at string, n *yaml.Node) (instrument, error) {
	in := instrument{origin: fmt.Sprintf("%s:%d", file, n.Line), Unit: 1, Interval: defaultInterval, Timeout: sensor.DefaultTimeout}
	err := fields{
		"name": text(&in.Name), "profile": text(&in.Profile), "address": text(&in.Address), "unit": unit(&in.Unit),
		"interval": duration(&in.Interval), "timeout": duration(&in.Timeout),
		"channels": list(func(i int, n *yaml.Node) error {
			var c channel
			in.Channels = append(in.Channels, c)
			return in.Channels[i].read(file, fmt.Sprintf("%s.channels[%d]", at, i), n)
		}),
	}.read(file, at, n)
	return in, err
}

func (c *channel) read(file, at string, n *yaml.Node) error {
	return fields{"point": text(&c.Point), "name": text(&c.Name), "interval": duration(&c.Interval)}.read(file, at, n)
}

// open makes the instrument with its driver: the list of protocols. It connects
// when it is first read.
func (in instrument) open() (sensor.Instrument, error) {
	p, err := profile.Load(in.Profile)
	if err != nil {
		return sensor.Instrument{}, calms.Errorf(calms.KindInvalid, "profile: %w", err).WithHint("%s", calms.HintOf(err))
	}
	var driver sensor.Driver
	switch p.Protocol {
	case profile.ProtocolModbus:
		driver, err = modbus.New(modbus.Config{Address: in.Address, Unit: in.Unit, Timeout: in.Timeout, Map: p.Modbus})
	default:
		err = calms.Errorf(calms.KindInvalid, "profile: protocol %q has no driver here", p.Protocol)
	}
	if err != nil {
		return sensor.Instrument{}, err
	}
	opened := sensor.Instrument{Name: in.Name, Driver: driver, Interval: in.Interval, Timeout: in.Timeout}
	for _, c := range in.Channels {
		opened.Channels = append(opened.Channels, sensor.Selection{Point: c.Point, Name: c.Name, Interval: c.Interval})
	}
	return opened, nil
}

// sampler makes the sampler of all instruments. Errors name file and line, one
// for each instrument that is wrong.
func (c config) sampler(clock sensor.Clock, sink sensor.Sink, log *slog.Logger) (*sensor.Sampler, error) {
	s := sensor.Config{Clock: clock, Sink: sink, Log: log, BatchInterval: c.Duration("batch")}
	var mistakes []error
	for i, in := range c.instruments {
		opened, err := in.open()
		if err != nil {
			mistakes = append(mistakes, calms.Wrap(fmt.Sprintf("%s: instruments[%d] %q", in.origin, i, in.Name), err))
			continue
		}
		right := s.Instruments
		s.Instruments = append(right, opened)
		// The sampler names the instrument that is wrong; its line is known here.
		if _, err := sensor.NewSampler(s); err != nil {
			mistakes = append(mistakes, calms.Wrap(in.origin, err))
			s.Instruments = right
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return sensor.NewSampler(s)
}

// checkInstruments finds what is wrong with the list without reading any.
func (c config) checkInstruments() error {
	_, err := c.sampler(still{}, still{}, slog.New(slog.DiscardHandler))
	return err
}

// still is a clock and a sink for a sampler that never runs.
type still struct{}

func (still) Mono() int64                               { return 0 }
func (still) Offset() (int64, bool)                     { return 0, false }
func (still) Store(context.Context, sensor.Group) error { return nil }
