package main

import (
	"time"

	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/settings"
)

// settingsTable is what may be set, in the order in which it is shown. Loading it puts
// the instruments into a list.
func settingsTable(into *[]instrument) settings.Table {
	instruments := settings.Part{Key: instrumentsKey, Schema: arrayOf(instrumentSchema())}
	instruments.Read = func(file string, value *yaml.Node) (err error) {
		*into, err = readInstruments(file, value)
		return err
	}
	return settings.Table{Program: self().Name, EnvPrefix: self().EnvPrefix(), Parts: []settings.Part{instruments}, Settings: []settings.Setting{
		{Key: "data", Default: "", Doc: "data directory; empty is the default of --data"},
		{Key: "batch", Default: 10 * time.Second, Check: settings.Between(sensor.MinInterval, sensor.MaxInterval), Doc: "how much time one journal entry covers"},
		{Key: "journal.limit", Default: "4GiB", Check: settings.SizeFrom("1MiB"), Doc: "size of the journal beyond which its oldest entries go"},
		{Key: "uplink.broker", Default: "", Check: settings.Optional(settings.Address), Doc: "host:port of a gateway on the site that leads to the broker; empty is the address that the cloud told"},
		{Key: "uplink.window", Default: "1MiB", Check: settings.SizeFrom("1KiB"), Doc: "bytes on their way to the cloud without its answer"},
		{Key: "uplink.replay_rate", Default: "512KiB", Check: settings.SizeFrom("1KiB"), Doc: "bytes a second of what a restored cloud asks for again"},
		{Key: "log.level", Default: "info", Values: []string{"debug", "info", "warn", "error"}, Doc: "least severity that is logged: debug, info, warn, error"},
		{Key: "log.format", Default: "auto", Values: []string{"auto", "text", "json"}, Doc: "text, json, or auto: text on a terminal, else JSON"},
		{Key: "private.listen", Default: "127.0.0.1:0", Check: settings.Loopback, Doc: "health, readiness and metrics, unencrypted: a loopback address; port 0 takes a free one"},
		{Key: "memory.limit", Default: "128MiB", Check: settings.SizeFrom("16MiB"), Doc: "soft limit of the process's memory"},
	}}
}

// instrumentSchema is the JSON Schema of one instrument.
func instrumentSchema() map[string]any {
	channel := settings.ObjectSchema(map[string]any{
		"point":    typed("string", "point of the profile"),
		"name":     typed("string", "channel, unique on the device; default <instrument>-<point>"),
		"interval": typed("string", "a multiple of the instrument's; default the instrument's"),
	})
	channel["required"] = []string{"point"}
	in := settings.ObjectSchema(map[string]any{
		"name":     typed("string", "begins the names of its channels"),
		"profile":  typed("string", "built-in profile, or the path of a .yaml file"),
		"address":  typed("string", "host or host:port; port 502 where missing"),
		"unit":     map[string]any{"type": "integer", "minimum": 0, "maximum": 255, "default": 1, "description": "unit id"},
		"interval": typed("string", "between two reads, such as 1s"),
		"timeout":  typed("string", "of one read, such as 500ms"),
		"channels": arrayOf(channel),
	})
	in["required"] = []string{"name", "profile", "address"}
	return in
}

func typed(kind, doc string) map[string]any { return map[string]any{"type": kind, "description": doc} }

func arrayOf(items any) map[string]any { return map[string]any{"type": "array", "items": items} }
