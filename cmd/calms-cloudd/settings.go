package main

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// setting is one row of the table of settings: the only place where a key, its
// default, its meaning and its limits stand.
type setting struct {
	key     string // dotted; the environment variable follows from it
	initial any    // the default: string, []string or time.Duration
	doc     string
	values  []string                 // the only allowed ones, where there are few
	check   func(value string) error // of each value, in its text form; nil is any
}

// env is the environment variable that sets the key.
func (s setting) env() string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

const envPrefix = "CALMS_CLOUDD"

// settings is the table, in the order in which it is shown.
func settings() []setting {
	return []setting{
		{key: "listen.api", initial: ":8443", check: checkAddress, doc: "HTTPS API: operators, enrolment, renewal"},
		{key: "listen.broker", initial: ":8883", check: checkAddress, doc: "MQTT over TLS: edges"},
		{key: "listen.private", initial: "127.0.0.1:9464", check: checkPrivate, doc: "health, readiness and metrics, unencrypted: a loopback address"},
		{key: "public.hosts", initial: defaultHosts(), check: checkHost, doc: "names and IP addresses under which operators and edges reach this machine; the first stands in tickets, all in certificates"},
		{key: "certificates.device", initial: 24 * time.Hour, check: atLeast(time.Second), doc: "life of device certificates"},
		{key: "certificates.service", initial: 24 * time.Hour, check: atLeast(time.Second), doc: "life of the API's and the broker's certificates"},
		{key: "certificates.grace", initial: 400 * 24 * time.Hour, check: atLeast(time.Second), doc: "for how long after its end a device certificate may still be renewed"},
		{key: "backup.interval", initial: 12 * time.Hour, check: atLeast(time.Second), doc: "between two snapshots"},
		{key: "log.level", initial: "info", values: []string{"debug", "info", "warn", "error"}, doc: "least severity that is logged; read again on SIGHUP"},
		{key: "log.format", initial: "auto", values: []string{"auto", "text", "json"}, doc: "auto is text on a terminal, else JSON"},
		{key: "memory.limit", initial: "", check: checkSize, doc: "soft limit of the process's memory, such as 512MiB; empty is none"},
	}
}

// defaultHosts lets everything on this machine work without configuration.
func defaultHosts() []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && checkHost(name) == nil && name != "localhost" {
		hosts = append(hosts, name)
	}
	return hosts
}

func checkAddress(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return calms.Errorf(calms.KindInvalid, "%q is no address: use host:port or :port", value)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return calms.Errorf(calms.KindInvalid, "%q has no port from 0 to 65535", value)
	}
	return nil
}

// checkPrivate keeps what has neither TLS nor authentication on this machine.
func checkPrivate(value string) error {
	if err := checkAddress(value); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(value)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return calms.Errorf(calms.KindInvalid, "%q is no loopback address: use 127.0.0.1:port", value)
	}
	return nil
}

func checkHost(value string) error {
	if net.ParseIP(value) != nil {
		return nil
	}
	valid := func(r rune) bool {
		return r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if value == "" || len(value) > 253 || strings.IndexFunc(value, func(r rune) bool { return !valid(r) }) >= 0 {
		return calms.Errorf(calms.KindInvalid, "%q is neither a host name nor an IP address", value)
	}
	return nil
}

func atLeast(shortest time.Duration) func(string) error {
	return func(value string) error {
		d, err := time.ParseDuration(value)
		if err != nil {
			return calms.Errorf(calms.KindInvalid, "%q is no duration: use 90s, 15m or 24h", value)
		}
		if d < shortest {
			return calms.Errorf(calms.KindInvalid, "%s is shorter than %s", d, shortest)
		}
		return nil
	}
}

func checkSize(value string) error {
	_, err := parseSize(value)
	return err
}

// parseSize reads a number of bytes with a unit; empty is 0.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for unit, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			if n, err := strconv.ParseInt(number, 10, 32); err == nil && n > 0 {
				return n * factor, nil
			}
		}
	}
	return 0, calms.Errorf(calms.KindInvalid, "%q is no size: use a whole number and KiB, MiB or GiB", text)
}
