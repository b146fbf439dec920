package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/edge/sensor/modbus"
)

// version of the format that this package reads; see the package comment.
const version = 1

// document is the file as it is written.
type document struct {
	Version     int         `yaml:"version"`
	Name        string      `yaml:"name"`
	Description string      `yaml:"description"`
	Sources     []string    `yaml:"sources"`
	Protocol    string      `yaml:"protocol"`
	Modbus      defaults    `yaml:"modbus"`
	Points      []pointText `yaml:"points"`
}

type defaults struct {
	access     `yaml:",inline"`
	MaxBlock   int  `yaml:"max-block"`
	MaxHole    int  `yaml:"max-hole"`
	NeverBlock bool `yaml:"never-block"`
}

// access is what a point may override; zero values mean "not said".
type access struct {
	Function  modbus.Function `yaml:"function"`
	WordOrder order           `yaml:"word-order"`
	ByteOrder order           `yaml:"byte-order"`
}

type order string

const (
	highFirst order = "high-first"
	lowFirst  order = "low-first"
)

type pointText struct {
	access      `yaml:",inline"`
	Name        string      `yaml:"name"`
	Unit        string      `yaml:"unit"`
	Description string      `yaml:"description"`
	Address     *uint16     `yaml:"address"`
	Type        modbus.Type `yaml:"type"`
	Scale       *float64    `yaml:"scale"`
	Offset      float64     `yaml:"offset"`
	Invalid     []uint64    `yaml:"invalid"`
	Range       []float64   `yaml:"range"`   // low and high
	Typical     []float64   `yaml:"typical"` // low and high
	Counter     bool        `yaml:"counter"`
}

// Parse reads one profile; file is only its name in errors.
func Parse(file string, data []byte) (Profile, error) {
	p := parser{file: file}
	if len(data) > maxSize {
		return Profile{}, p.mistake(nil, "more than %d bytes", maxSize)
	}
	if err := yaml.Unmarshal(data, &p.root); err != nil {
		return Profile{}, p.syntax(err)
	}
	if err := p.checkVersion(); err != nil {
		return Profile{}, err
	}
	var d document
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil {
		return Profile{}, p.syntax(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Profile{}, p.mistake(nil, "more than one document in the file")
	}
	return p.profile(d)
}

// checkVersion comes before all else: a newer file may have keys unknown here.
func (p *parser) checkVersion() error {
	var head struct {
		Version *int `yaml:"version"`
	}
	if err := p.root.Decode(&head); err != nil {
		return p.syntax(err)
	}
	switch {
	case head.Version == nil:
		return p.mistake(trail{"version"}, "is missing: write %d", version)
	case *head.Version > version:
		return p.mistake(trail{"version"}, "%d is newer than this program reads (%d): update calms-edge", *head.Version, version)
	case *head.Version < 1:
		return p.mistake(trail{"version"}, "%d does not exist: write %d", *head.Version, version)
	}
	return nil
}

func (p *parser) profile(d document) (Profile, error) {
	switch {
	case !isName(d.Name):
		return Profile{}, p.mistake(trail{"name"}, notAName, d.Name)
	case d.Protocol != ProtocolModbus:
		return Profile{}, p.mistake(trail{"protocol"}, "%q is not known (known: %s)", d.Protocol, ProtocolModbus)
	case len(d.Points) == 0:
		return Profile{}, p.mistake(trail{"points"}, "there are none")
	}
	out := Profile{Name: d.Name, Description: d.Description, Sources: d.Sources, Protocol: d.Protocol}
	out.Modbus = modbus.Map{MaxBlock: d.Modbus.MaxBlock, MaxHole: d.Modbus.MaxHole, Single: d.Modbus.NeverBlock}
	if err := out.Modbus.Check(); err != nil {
		return Profile{}, p.mistake(trail{"modbus"}, "%w", err)
	}
	if err := p.checkAccess(trail{"modbus"}, d.Modbus.access); err != nil {
		return Profile{}, err
	}
	seen := map[string]bool{}
	for i, text := range d.Points {
		at := trail{"points", i}
		if seen[text.Name] {
			return Profile{}, p.mistake(at.field("name"), "%q is there twice", text.Name)
		}
		seen[text.Name] = true
		r, err := p.register(at, text, d.Modbus.access)
		if err != nil {
			return Profile{}, err
		}
		out.Modbus.Registers = append(out.Modbus.Registers, r)
		out.Habits = append(out.Habits, habit(text, r))
	}
	return out, nil
}

func (p *parser) checkAccess(at trail, a access) error {
	for _, o := range []struct {
		field string
		value order
	}{{"word-order", a.WordOrder}, {"byte-order", a.ByteOrder}} {
		if o.value != "" && o.value != highFirst && o.value != lowFirst {
			return p.mistake(at.field(o.field), "%q is not %s or %s", o.value, highFirst, lowFirst)
		}
	}
	return nil
}

func (p *parser) register(at trail, t pointText, common access) (modbus.Register, error) {
	switch {
	case !isName(t.Name):
		return modbus.Register{}, p.mistake(at.field("name"), notAName, t.Name)
	case t.Address == nil:
		return modbus.Register{}, p.mistake(at.field("address"), "is missing")
	case !isRange(t.Range):
		return modbus.Register{}, p.mistake(at.field("range"), notARange, t.Range)
	case !isRange(t.Typical):
		return modbus.Register{}, p.mistake(at.field("typical"), notARange, t.Typical)
	}
	if err := p.checkAccess(at, t.access); err != nil {
		return modbus.Register{}, err
	}
	r := modbus.Register{
		Point:    sensor.Point{Name: t.Name, Unit: t.Unit, Description: t.Description},
		Function: either(t.Function, either(common.Function, modbus.ReadHolding)),
		Address:  *t.Address, Type: t.Type, Scale: 1, Offset: t.Offset, Invalid: t.Invalid,
		LowFirst: either(t.WordOrder, common.WordOrder) == lowFirst,
		ByteSwap: either(t.ByteOrder, common.ByteOrder) == lowFirst,
	}
	if t.Scale != nil {
		r.Scale = *t.Scale
	}
	if t.Range != nil {
		r.Low, r.High = t.Range[0], t.Range[1]
	}
	if fault, ok := errors.AsType[*modbus.FieldError](r.Check()); ok {
		return r, p.mistake(at.field(fault.Field), "%s", fault.Msg)
	}
	return r, nil
}

// habit is what a simulation of the point does: typical values, else the stated
// range, else anything up to 100.
func habit(t pointText, r modbus.Register) Habit {
	h := Habit{Low: 0, High: 100, Counter: t.Counter}
	switch {
	case t.Typical != nil:
		h.Low, h.High = t.Typical[0], t.Typical[1]
	case t.Range != nil:
		h.Low, h.High = r.Low, r.High
	}
	return h
}

func either[T comparable](first, second T) T {
	var unsaid T
	if first != unsaid {
		return first
	}
	return second
}

const notARange = "%v is not a range: write [low, high]"

// isRange accepts what is not said, and a low and a high number.
func isRange(r []float64) bool {
	if r == nil {
		return true
	}
	return len(r) == 2 && r[0] <= r[1] && !math.IsInf(r[0], 0) && !math.IsInf(r[1], 0)
}

const notAName = "%q is not a name: use a-z, 0-9, '-', '_' and '.', beginning with a letter or digit"

func isName(s string) bool {
	_, err := calms.ParsePathAt(s, calms.LevelOrganisation)
	return err == nil
}

// mistake is an error at a place of the file: "file:line: field: what".
func (p *parser) mistake(at trail, format string, args ...any) error {
	place := p.file
	if line := p.line(at); line > 0 {
		place = fmt.Sprintf("%s:%d", place, line)
	}
	if len(at) > 0 {
		place += ": " + at.String()
	}
	return calms.Errorf(calms.KindInvalid, "%s: "+format, append([]any{place}, args...)...)
}
