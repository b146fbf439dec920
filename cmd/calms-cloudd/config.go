package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/program"
)

// config is what the settings come to: environment over file over default.
type config struct {
	Listen struct {
		API     string
		Broker  string
		Private string
	}
	Public struct {
		Hosts []string
	}
	Certificates struct {
		Device  time.Duration
		Service time.Duration
		Grace   time.Duration
	}
	Backup struct {
		Interval time.Duration
	}
	Log struct {
		Level  string
		Format string
	}
	Memory struct {
		Limit string
	}
}

// loadConfig reads the settings; file may be empty for none.
func loadConfig(file string) (c config, err error) {
	values, err := settingsTable().Load(file)
	if err != nil {
		return c, err
	}
	return c, values.Into(&c)
}

func newConfig() *cobra.Command {
	return self().NewConfig(program.Configuration{
		Check: func(file string) (map[string]int, error) {
			_, err := loadConfig(file)
			return nil, err
		},
		Show: func(w io.Writer, file string) error {
			values, err := settingsTable().Load(file)
			if err != nil {
				return err
			}
			return values.Show(w)
		},
		Schema: settingsTable().WriteSchema,
	})
}
