package main

import (
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"go.calms.com/calms/pkg/api"
)

// setting is something that a flag, an environment variable, the configuration
// file or a default decides, in this order.
type setting struct {
	name  string // of the flag and of the key in the file
	short string
	env   string
	usage string // `word` names the value
	value any    // the default; its type is the flag's
	flag  bool   // whether there is a flag: secrets have none
	file  bool   // whether the configuration file may hold it
}

// settings is the one table that flags, environment and their help come from.
func settings() []setting {
	return []setting{
		{name: "config", env: "CALMS_CONFIG", usage: "configuration `file` (default $XDG_CONFIG_HOME/calms/config.yaml)", value: "", flag: true},
		{name: "context", env: "CALMS_CONTEXT", usage: "context `name`: which cloud, as whom", value: "", flag: true, file: true},
		{name: "output", short: "o", env: "CALMS_OUTPUT", usage: "output `format`: table, wide, json, jsonl, yaml or name", value: "table", flag: true, file: true},
		{name: "timeout", env: "CALMS_TIMEOUT", usage: "longest `time` to wait for one answer", value: api.DefaultTimeout, flag: true, file: true},
		{name: "no-color", env: "CALMS_NO_COLOR", usage: "no colours", value: false, flag: true, file: true},
		{name: "url", env: "CALMS_URL", usage: "`URL` of the cloud, instead of the context's", value: "", flag: true},
		{name: "ca-file", env: "CALMS_CA_FILE", usage: "`file` with the root certificates to trust (PEM), instead of the context's", value: "", flag: true},
		{name: "key-stdin", env: "", usage: "read the operator's key from the standard input", value: false, flag: true},
		{name: "key", env: "CALMS_API_KEY", usage: "the operator's key, instead of the context's", value: ""},
		{name: "no-prompt", env: "CALMS_NO_PROMPT", usage: "never ask, as if there were no terminal", value: false},
	}
}

// bindSettings makes the flags and tells viper where each value comes from.
// Every key has a default, without which viper does not look at the environment.
func bindSettings(v *viper.Viper, flags *pflag.FlagSet) {
	for _, s := range settings() {
		v.SetDefault(s.name, s.value)
		if s.env != "" {
			_ = v.BindEnv(s.name, s.env) // fails without a name only
		}
		if s.flag {
			addFlag(flags, s)
			_ = v.BindPFlag(s.name, flags.Lookup(s.name)) // fails for nil only
		}
	}
}

func addFlag(flags *pflag.FlagSet, s setting) {
	switch value := s.value.(type) {
	case string:
		flags.StringP(s.name, s.short, value, s.usage)
	case bool:
		flags.BoolP(s.name, s.short, value, s.usage)
	case time.Duration:
		flags.DurationP(s.name, s.short, value, s.usage)
	}
}
