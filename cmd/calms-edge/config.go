package main

import (
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/program"
	"go.calms.com/calms/pkg/settings"
)

// config is what the settings come to: environment over file over default.
type config struct {
	*settings.Values
	file        string // empty where there is none
	instruments []instrument
}

// loadConfig reads the settings and the instruments; file may be empty for none.
func loadConfig(file string) (c config, err error) {
	c.file = file
	c.Values, err = settingsTable(&c.instruments).Load(file)
	return c, err
}

// broker is where to connect, where the cloud told of an address. Whoever
// stands there must show the certificate of the host that the cloud told.
func (c config) broker(told string) (address, host string) {
	host, _, _ = net.SplitHostPort(told) // empty where the cloud told nonsense: nobody has that name
	if own := c.Text("uplink.broker"); own != "" {
		return own, host
	}
	return told, host
}

func newConfig() *cobra.Command {
	return self().NewConfig(program.Configuration{
		Check: func(file string) (map[string]int, error) {
			c, err := loadConfig(file)
			if err != nil {
				return nil, err
			}
			return map[string]int{instrumentsKey: len(c.instruments)}, c.checkInstruments()
		},
		Show: func(w io.Writer, file string) error {
			c, err := loadConfig(file)
			if err != nil {
				return err
			}
			return c.show(w)
		},
		Schema: settingsTable(nil).WriteSchema,
	})
}

// exampleInstrument is shown where none is configured.
const exampleInstrument = `# instruments: # what to read
#   - name: main           # begins the names of its channels
#     profile: suto-s430   # a built-in profile, or the path of a .yaml file
#     address: 192.168.1.7:502
#     unit: 1
#     interval: 1s
#     timeout: 500ms
#     channels:            # none means every point of the profile
#       - {point: flow, name: flow}
`

// show writes what is in force as a configuration file with comments.
func (c config) show(w io.Writer) error {
	document, err := c.Document()
	if err != nil {
		return err
	}
	if len(c.instruments) > 0 {
		document.Content = append(document.Content, settings.KeyNode(instrumentsKey, "what to read"), c.instrumentNodes())
	} else if _, err := io.WriteString(w, exampleInstrument); err != nil {
		return err
	}
	return settings.WriteYAML(w, document)
}

func (c config) instrumentNodes() *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, in := range c.instruments {
		n := pairs("name", in.Name, "profile", in.Profile, "address", in.Address, "unit", fmt.Sprint(in.Unit),
			"interval", in.Interval.String(), "timeout", in.Timeout.String())
		channels := &yaml.Node{Kind: yaml.SequenceNode}
		for _, ch := range in.Channels {
			one := pairs("point", ch.Point, "name", ch.Name, "interval", ch.Interval.String())
			one.Style = yaml.FlowStyle
			channels.Content = append(channels.Content, one)
		}
		if len(in.Channels) > 0 {
			n.Content = append(n.Content, scalar("channels"), channels)
		}
		list.Content = append(list.Content, n)
	}
	return list
}

// pairs is a mapping of keys to values; those that are empty or nought are left
// out, as their defaults are meant.
func pairs(texts ...string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i < len(texts); i += 2 {
		if texts[i+1] != "" && texts[i+1] != "0s" {
			n.Content = append(n.Content, scalar(texts[i]), scalar(texts[i+1]))
		}
	}
	return n
}

func scalar(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }
