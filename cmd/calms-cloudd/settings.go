package main

import (
	"net"
	"os"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/settings"
)

// Where the public listeners are unless somebody says otherwise.
const (
	defaultAPI    = ":8443"
	defaultBroker = ":8883"
)

// settingsTable is what may be set, in the order in which it is shown.
func settingsTable() settings.Table {
	return settings.Table{Program: self().Name, EnvPrefix: self().EnvPrefix(), Settings: []settings.Setting{
		{Key: "listen.api", Default: defaultAPI, Check: settings.Address, Doc: "HTTPS API: operators, enrolment, renewal"},
		{Key: "listen.broker", Default: defaultBroker, Check: settings.Address, Doc: "MQTT over TLS: edges"},
		{Key: "listen.private", Default: "127.0.0.1:9464", Check: settings.Loopback, Doc: "health, readiness and metrics, unencrypted: a loopback address"},
		{Key: "public.hosts", Default: defaultHosts(), Check: checkHost, Doc: "names and IP addresses under which operators and edges reach this machine; the first stands in tickets, all in certificates"},
		{Key: "certificates.device", Default: 24 * time.Hour, Check: settings.AtLeast(time.Second), Doc: "life of device certificates"},
		{Key: "certificates.service", Default: 24 * time.Hour, Check: settings.AtLeast(time.Second), Doc: "life of the API's and the broker's certificates"},
		{Key: "certificates.grace", Default: 400 * 24 * time.Hour, Check: settings.AtLeast(time.Second), Doc: "for how long after its end a device certificate may still be renewed"},
		{Key: "backup.interval", Default: 12 * time.Hour, Check: settings.AtLeast(time.Second), Doc: "between two snapshots"},
		{Key: "log.level", Default: "info", Values: []string{"debug", "info", "warn", "error"}, Doc: "least severity that is logged; read again on SIGHUP"},
		{Key: "log.format", Default: "auto", Values: []string{"auto", "text", "json"}, Doc: "auto is text on a terminal, else JSON"},
		{Key: "memory.limit", Default: "", Check: settings.Optional(settings.SizeFrom("1KiB")), Doc: "soft limit of the process's memory, such as 512MiB; empty is none"},
	}}
}

// defaultHosts lets everything on this machine work without configuration.
func defaultHosts() []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && checkHost(name) == nil && name != "localhost" {
		hosts = append(hosts, name)
	}
	return hosts
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
