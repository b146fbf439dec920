package settings

import (
	"os"
	"slices"
	"strings"
)

// Strangers lists the environment variables that begin like the program's and
// set nothing: typing errors, most likely, which nobody else would notice.
// Besides the table's keys the program knows those of its flags data and config.
func (t Table) Strangers() (names []string) {
	known := []string{t.env("data"), t.env("config")}
	for _, s := range t.Settings {
		known = append(known, t.env(s.Key))
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, t.EnvPrefix+"_") && !slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
