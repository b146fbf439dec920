package main

import (
	"net"
	"strconv"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor"
)

const envPrefix = "CALMS_EDGE"

// setting is one row of the table of settings beside the instruments: the only
// place where a key, its default, its meaning and its limits stand.
type setting struct {
	key     string // dotted; the environment variable follows from it
	initial string
	doc     string
	check   func(value string) error
}

// env is the environment variable that sets the key.
func (s setting) env() string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// settings is the table, in the order in which it is shown.
func settings() []setting {
	return []setting{
		{"data", "", "data directory; empty is the default of --data", anything},
		{"batch", "10s", "how much time one journal entry covers", between(sensor.MinInterval, sensor.MaxInterval)},
		{"journal.limit", "4GiB", "size of the journal beyond which its oldest entries go", sizeAtLeast(1 << 20)},
		{"uplink.broker", "", "host:port of a gateway on the site that leads to the broker; empty is the address that the cloud told", addressOrNone},
		{"uplink.window", "1MiB", "bytes on their way to the cloud without its answer", sizeAtLeast(1 << 10)},
		{"uplink.replay_rate", "512KiB", "bytes a second of what a restored cloud asks for again", sizeAtLeast(1 << 10)},
		{"log.level", "info", "least severity that is logged: debug, info, warn, error", oneOf("debug", "info", "warn", "error")},
		{"log.format", "auto", "text, json, or auto: text on a terminal, else JSON", oneOf("auto", "text", "json")},
		{"private.listen", "127.0.0.1:0", "health, readiness and metrics, unencrypted: a loopback address; port 0 takes a free one", loopback},
		{"memory.limit", "128MiB", "soft limit of the process's memory", sizeAtLeast(16 << 20)},
	}
}

func anything(string) error { return nil }

func addressOrNone(value string) error {
	if value == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(value); err != nil {
		return calms.Errorf(calms.KindInvalid, "%q is no address: use host:port", value)
	}
	return nil
}

func oneOf(values ...string) func(string) error {
	return func(value string) error {
		for _, v := range values {
			if v == value {
				return nil
			}
		}
		return calms.Errorf(calms.KindInvalid, "%q is not one of %s", value, strings.Join(values, ", "))
	}
}

func between(least, most time.Duration) func(string) error {
	return func(value string) error {
		d, err := time.ParseDuration(value)
		if err != nil {
			return calms.Errorf(calms.KindInvalid, "%q is no duration: use 500ms, 10s or 5m", value)
		}
		if d < least || d > most {
			return calms.Errorf(calms.KindInvalid, "%s is not between %s and %s", d, least, most)
		}
		return nil
	}
}

func sizeAtLeast(least int64) func(string) error {
	return func(value string) error {
		n, err := parseSize(value)
		if err == nil && n < least {
			return calms.Errorf(calms.KindInvalid, "%s is less than %s", value, size(least))
		}
		return err
	}
}

// parseSize reads a number of bytes with a unit.
func parseSize(text string) (int64, error) {
	for unit, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32); err == nil && n > 0 {
				return n * factor, nil
			}
		}
	}
	return 0, calms.Errorf(calms.KindInvalid, "%q is no size: use a whole number and KiB, MiB or GiB", text)
}

// loopback keeps what has neither TLS nor authentication on this machine.
func loopback(value string) error {
	host, port, err := net.SplitHostPort(value)
	if n, wrong := strconv.Atoi(port); err != nil || wrong != nil || n < 0 || n > 65535 {
		return calms.Errorf(calms.KindInvalid, "%q is no address: use 127.0.0.1:port", value)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return calms.Errorf(calms.KindInvalid, "%q is no loopback address: use 127.0.0.1:port", value)
	}
	return nil
}
