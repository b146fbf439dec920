package modbus_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/edge/sensor/modbus"
	"go.calms.com/calms/pkg/edge/sensor/profile"
)

// python is Debian's interpreter: others do not see Debian's pymodbus.
const python = "/usr/bin/python3"

// pymodbus runs the instrument that this project did not write. A machine
// without it fails the test: skipping would hide that nothing was proved.
type pymodbus struct {
	t       *testing.T
	args    []string
	log     string
	address string
	process *exec.Cmd
}

func newPymodbus(t *testing.T, args ...string) *pymodbus {
	if err := exec.Command(python, "-c", "import pymodbus, serial_asyncio").Run(); err != nil {
		t.Fatalf("Debian's python3-pymodbus and python3-serial-asyncio are needed (%v): run `make setup`", err)
	}
	return &pymodbus{t: t, args: args, log: filepath.Join(t.TempDir(), "served.jsonl"), address: "127.0.0.1:0"}
}

func (p *pymodbus) command(more ...string) *exec.Cmd {
	cmd := exec.Command(python, append(append([]string{"testdata/pymodbus_server.py"}, p.args...), more...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// start serves on the address of last time, or a free one.
func (p *pymodbus) start(more ...string) {
	p.t.Helper()
	_, port, _ := net.SplitHostPort(p.address)
	p.process = p.command(append(more, "--log", p.log, "--port", port)...)
	stdout, err := p.process.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		p.t.Fatalf("pymodbus does not start: %v", err)
	}
	p.address = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
}

func (p *pymodbus) kill() {
	p.process.Process.Kill()
	p.process.Wait()
}

func (p *pymodbus) profile() profile.Profile {
	p.t.Helper()
	text, err := p.command("--print-profile").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	parsed, err := profile.Parse("pymodbus", text)
	if err != nil {
		p.t.Fatal(err)
	}
	return parsed
}

// served counts the values in the log by point and bits.
func (p *pymodbus) served() map[string]map[uint64]int {
	p.t.Helper()
	data, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]map[uint64]int{}
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var line struct {
			Point string
			Value float64
		}
		if err := d.Decode(&line); err == io.EOF {
			return out
		} else if err != nil {
			p.t.Fatal(err)
		}
		if out[line.Point] == nil {
			out[line.Point] = map[uint64]int{}
		}
		out[line.Point][math.Float64bits(line.Value)]++
	}
}

func TestEveryValueIsOneThatPymodbusServed(t *testing.T) {
	for _, order := range []string{"high-first", "low-first"} {
		t.Run(order, func(t *testing.T) {
			const floats, reads = 150, 40
			p := newPymodbus(t, "--floats", strconv.Itoa(floats), "--word-order", order)
			p.start()
			d, err := modbus.New(modbus.Config{Address: p.address, Unit: 1, Map: p.profile().Modbus})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			got := readTimes(t, d, floats, reads)
			served := p.served()
			for point, values := range got {
				if len(values) != reads || len(served[point]) != reads {
					t.Fatalf("%s: %d different values read and %d served in %d reads", point, len(values), len(served[point]), reads)
				}
				for bits := range values {
					if served[point][bits] != 1 {
						t.Errorf("%s: %v was served %d times", point, math.Float64frombits(bits), served[point][bits])
					}
				}
			}
		})
	}
}

// readTimes collects the bits of all values by point; every read must be good.
func readTimes(t *testing.T, d *modbus.Driver, points, times int) map[string]map[uint64]bool {
	t.Helper()
	indexes, into := make([]int, points), make([]sensor.Reading, points)
	got := map[string]map[uint64]bool{}
	for i := range indexes {
		indexes[i] = i
		got[d.Points()[i].Name] = map[uint64]bool{}
	}
	for range times {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := d.Read(ctx, indexes, into)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range into {
			got[d.Points()[i].Name][math.Float64bits(r.Value)] = true
		}
	}
	return got
}

func TestReconnectsAfterPymodbusWasKilled(t *testing.T) {
	p := newPymodbus(t, "--floats", "3")
	p.start()
	d, err := modbus.New(modbus.Config{Address: p.address, Unit: 1, Map: p.profile().Modbus})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	readTimes(t, d, 3, 1)
	p.kill()
	into := make([]sensor.Reading, 1)
	if err := d.Read(context.Background(), []int{0}, into); err == nil {
		t.Fatalf("a killed instrument was read: %v", into)
	}
	p.start("--first", "1")
	for end := time.Now().Add(20 * time.Second); d.Read(context.Background(), []int{0}, into) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no reconnect")
		}
	}
	if served := p.served()["f000"]; len(served) < 2 || served[math.Float64bits(into[0].Value)] != 1 {
		t.Errorf("%v is not what was served: %v", into[0].Value, served)
	}
}
