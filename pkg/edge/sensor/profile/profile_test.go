package profile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor/modbus"
)

func TestBuiltinProfiles(t *testing.T) {
	if got := strings.Join(List(), " "); got != "eastron-sdm630 suto-s430" {
		t.Fatalf("List() = %q", got)
	}
	for _, name := range List() {
		p, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != name || p.Description == "" || len(p.Sources) == 0 || len(p.Habits) != len(p.Modbus.Registers) {
			t.Errorf("%s is incomplete: %+v", name, p)
		}
		for _, url := range p.Sources {
			if !strings.HasPrefix(url, "https://") {
				t.Errorf("%s: source %q is not a URL", name, url)
			}
		}
		for _, r := range p.Modbus.Registers {
			if r.Point.Unit == "" || r.Point.Description == "" {
				t.Errorf("%s: point %s has no unit or description", name, r.Point.Name)
			}
		}
	}
}

func TestWhatTheMetersNeed(t *testing.T) {
	flow, _ := Load("suto-s430")
	r := flow.Modbus.Registers[3]
	if r.Point.Name != "flow" || r.Point.Unit != "m³/h" || r.Address != 6 || !r.LowFirst || r.Function != modbus.ReadHolding || r.Type != modbus.Float32 {
		t.Errorf("flow is %+v", r)
	}
	power, _ := Load("eastron-sdm630")
	for _, r := range power.Modbus.Registers {
		if r.Function != modbus.ReadInput || r.LowFirst {
			t.Errorf("%s is %+v", r.Point.Name, r)
		}
	}
}

const minimal = `version: 1
name: thing
protocol: modbus
modbus: {function: 4, word-order: low-first}
points:
  - name: a
    address: 10
    type: int16
    scale: 0.1
    offset: -3
    invalid: [0x8000]
    range: [-10, 100]
  - name: b
    function: 3
    word-order: high-first
    byte-order: low-first
    address: 12
    type: float64
`

func TestLoadFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "thing.yaml")
	if err := os.WriteFile(file, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	a, b := p.Modbus.Registers[0], p.Modbus.Registers[1]
	if a.Function != 4 || !a.LowFirst || a.Scale != 0.1 || a.Offset != -3 || a.Invalid[0] != 0x8000 || a.Low != -10 || a.High != 100 {
		t.Errorf("a is %+v", a)
	}
	if b.Function != 3 || b.LowFirst || !b.ByteSwap || b.Scale != 1 || b.Low != b.High {
		t.Errorf("b is %+v", b)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(minimal, old, new, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"newer version":   {replace("version: 1", "version: 2\nshiny: yes"), "x.yaml:1: version: 2 is newer than this program reads (1)"},
		"no version":      {replace("version: 1\n", ""), "x.yaml:1: version: is missing"},
		"version is text": {replace("version: 1", "version: new"), "x.yaml:1: version: str `new` is not a whole number"},
		"empty":           {"", "x.yaml: version: is missing"},
		"unknown key":     {replace("scale: 0.1", "skale: 0.1"), `x.yaml:9: "skale" is not a known field`},
		"unknown key top": {minimal + "colour: red\n", `x.yaml:19: "colour" is not a known field`},
		"wrong type":      {replace("address: 10", "address: ten"), "x.yaml:7: points[0].address: str `ten` is not a whole number"},
		"big address":     {replace("address: 12", "address: 70000"), "x.yaml:17: points[1].address: int `70000` is not a whole number, not negative, that fits"},
		"past the end":    {replace("address: 12", "address: 65533"), "x.yaml:17: points[1].address: a float64 at 65533 ends after"},
		"unknown type":    {replace("int16", "int17"), `x.yaml:8: points[0].type: "int17" is not one of`},
		"no type":         {replace("    type: int16\n", ""), `x.yaml:6: points[0].type: "" is not one of`},
		"zero scale":      {replace("0.1", "0"), "x.yaml:9: points[0].scale: 0 is not a usable factor"},
		"nan scale":       {replace("0.1", ".nan"), "x.yaml:9: points[0].scale: NaN"},
		"wide marker":     {replace("0x8000", "0x18000"), "x.yaml:11: points[0].invalid: 0x18000 has more than the 16 bits"},
		"inverse range":   {replace("[-10, 100]", "[100, -10]"), "x.yaml:12: points[0].range: [100 -10] is not a range"},
		"short range":     {replace("[-10, 100]", "[1]"), "x.yaml:12: points[0].range: "},
		"word order":      {replace("high-first", "middle-first"), `x.yaml:15: points[1].word-order: "middle-first" is not`},
		"default order":   {replace("low-first", "no"), `x.yaml:4: modbus.word-order: "no" is not`},
		"function":        {replace("function: 3", "function: 6"), "x.yaml:14: points[1].function: 6 is not 3"},
		"block":           {replace("function: 4", "max-block: 126"), "x.yaml:4: modbus: max-block: 126"},
		"no address":      {replace("    address: 10\n", ""), "x.yaml:6: points[0].address: is missing"},
		"bad name":        {replace("name: b", "name: Big Flow"), `x.yaml:13: points[1].name: "Big Flow" is not a name`},
		"name with slash": {replace("name: b", "name: a/b"), `points[1].name: "a/b" is not a name`},
		"twice":           {replace("name: b", "name: a"), `x.yaml:13: points[1].name: "a" is there twice`},
		"protocol":        {replace("protocol: modbus", "protocol: opcua"), `x.yaml:3: protocol: "opcua" is not known (known: modbus)`},
		"no points":       {minimal[:strings.Index(minimal, "points")], "points: there are none"},
		"not yaml":        {"version: 1\n\t- x: {", "x.yaml:2: "},
		"a list":          {"- 1\n", "x.yaml:1: "},
		"two documents":   {minimal + "---\nversion: 1\n", "more than one document"},
		"duplicate key":   {replace("    scale: 0.1", "    type: int16"), "x.yaml:9: "},
	} {
		_, err := Parse("x.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}

func TestUnknownProfileListsTheKnown(t *testing.T) {
	_, err := Load("acme-9000")
	if err == nil || calms.KindOf(err) != calms.KindNotFound || !strings.Contains(err.Error(), "eastron-sdm630, suto-s430") || calms.HintOf(err) == "" {
		t.Errorf("error is %v", err)
	}
	if _, err := Load("./missing.yaml"); calms.KindOf(err) != calms.KindNotFound || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("error is %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	for _, name := range List() {
		data, err := builtin.ReadFile("profiles/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("version: 1\npoints: &a [*a]"))
	f.Add([]byte("version: 1\n<<: {name: x}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("f", data)
		if err != nil {
			if calms.KindOf(err) != calms.KindInvalid || !strings.HasPrefix(err.Error(), "f") {
				t.Errorf("error without a place: %v", err)
			}
			return
		}
		if len(p.Habits) != len(p.Modbus.Registers) {
			t.Error("habits and registers differ in number")
		}
		if _, err := modbus.New(modbus.Config{Address: "127.0.0.1:1", Map: p.Modbus}); err != nil {
			t.Errorf("accepted, but the driver refuses it: %v", err)
		}
	})
}
