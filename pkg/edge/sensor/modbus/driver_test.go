package modbus

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/edge/sensor/sensortest"
)

func TestConformance(t *testing.T) {
	sensortest.Run(t, func(t *testing.T) sensortest.Bench { return newBench(t) })
}

func readAll(t *testing.T, d sensor.Driver) ([]sensor.Reading, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	points := make([]int, len(d.Points()))
	for i := range points {
		points[i] = i
	}
	into := make([]sensor.Reading, len(points))
	return into, d.Read(ctx, points, into)
}

func TestNeighboursShareARequest(t *testing.T) {
	b := newBench(t)
	if _, err := readAll(t, b.Driver(t)); err != nil {
		t.Fatal(err)
	}
	if want := [][2]int{{0, 8}}; !slices.Equal(b.log, want) {
		t.Errorf("requests are %v, want %v", b.log, want)
	}
}

func TestAMissingPointSparesItsNeighbours(t *testing.T) {
	b := newBench(t)
	b.missing = 6
	d := b.Driver(t)
	for range 2 {
		readings, err := readAll(t, d)
		if err == nil || !strings.Contains(err.Error(), "registers 6 to 7: illegal data address") {
			t.Errorf("error is %v", err)
		}
		for i, r := range readings {
			if want := []calms.Quality{0, 0, 0, calms.BadRefused}[i]; r.Quality != want {
				t.Errorf("point %d is %v, want %v", i, r.Quality, want)
			}
		}
	}
	if len(b.log) != 1+4+4 {
		t.Errorf("requests are %v: the refused block should be tried once", b.log)
	}
}

func TestAnIdleConnectionThatWasClosedIsNoFailure(t *testing.T) {
	b := newBench(t)
	d := b.Driver(t)
	for range 3 {
		if _, err := readAll(t, d); err != nil {
			t.Fatalf("after an idle close: %v", err)
		}
		b.mu.Lock()
		for _, c := range b.conns {
			c.Close()
		}
		b.mu.Unlock()
	}
}

func TestConfigurationMistakes(t *testing.T) {
	good := newBench(t).registerMap()
	wide, strange := good, good
	wide.MaxBlock = 126
	strange.Registers = append(slices.Clone(good.Registers), Register{Type: "float16"})
	for want, c := range map[string]Config{
		"address: \"\" is not host": {Map: good},
		"max-block: 126":            {Address: "x", Map: wide},
		`points[4] "": type`:        {Address: "x", Map: strange},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) || calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	for address, want := range map[string]string{"meter": "meter:502", "10.0.0.5:1502": "10.0.0.5:1502", "fd00::1": "[fd00::1]:502", "[fd00::1]:99": "[fd00::1]:99"} {
		if got, err := completeAddress(address); got != want || err != nil {
			t.Errorf("address %q is %q, %v", address, got, err)
		}
	}
}
