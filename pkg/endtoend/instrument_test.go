package endtoend

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// python is Debian's interpreter: others do not see Debian's pymodbus.
	python = "/usr/bin/python3"
	server = "../edge/sensor/modbus/testdata/pymodbus_server.py"

	// instrumentName is rare enough to be looked for in places where it must not be.
	instrumentName = "kompresorska-postaja"
)

// instrument is a Modbus TCP device that nobody here wrote.
type instrument struct {
	rig     *rig
	log     string // what it served; it never serves a value of a point twice
	profile string
	address string
}

// newInstrument starts an instrument with so many values.
func (r *rig) newInstrument(name string, floats int) *instrument {
	r.t.Helper()
	if err := exec.Command(python, "-c", "import pymodbus, serial_asyncio").Run(); err != nil {
		r.t.Fatalf("Debian's python3-pymodbus and python3-serial-asyncio are needed (%v): run `make setup`", err)
	}
	script, err := filepath.Abs(server)
	if err != nil {
		r.t.Fatal(err)
	}
	i := &instrument{rig: r, log: r.file(name + ".served"), profile: r.file(name + "-profile.yaml")}
	profile, err := exec.Command(python, script, "--floats", strconv.Itoa(floats), "--print-profile").Output()
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(filepath.Base(i.profile), string(profile))
	cmd := exec.Command(python, script, "--floats", strconv.Itoa(floats), "--log", i.log)
	stdout, told, err := os.Pipe()
	if err != nil {
		r.t.Fatal(err)
	}
	defer stdout.Close()
	cmd.Stdout = told
	r.spawn(name+"-instrument", cmd)
	told.Close() // the instrument has its own copy
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		r.t.Fatalf("the instrument does not start: %v\n%s", err, r.tail(name+"-instrument"))
	}
	i.address = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	return i
}

// reading is one value that an instrument served, or a cloud exports.
type reading struct {
	at    time.Time
	value float64
}

// served reads the instrument's own log, by channel and in order.
func (i *instrument) served(device string) map[string][]reading {
	i.rig.t.Helper()
	all := map[string][]reading{}
	err := eachLine(i.log, func(line []byte) error {
		var s struct {
			Time  time.Time
			Point string
			Value float64
		}
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		channel := device + "/" + instrumentName + "-" + s.Point
		all[channel] = append(all[channel], reading{s.Time, s.Value})
		return nil
	})
	if err != nil {
		i.rig.t.Fatal(err)
	}
	return all
}

// eachLine reads a file of JSON lines.
func eachLine(path string, f func(line []byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		if err := f(scanner.Bytes()); err != nil {
			return err
		}
	}
	return scanner.Err()
}
