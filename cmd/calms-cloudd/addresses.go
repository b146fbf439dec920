package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/backup"
	"go.calms.com/calms/pkg/durable"
)

// addresses is where operators and edges were told to find this cloud. It goes
// into snapshots: it is configuration, so it is lost with the machine, and a
// restored cloud that answers elsewhere is a cloud that nobody finds.
type addresses struct {
	Version int      `json:"version"`
	Hosts   []string `json:"hosts"`
	API     int      `json:"api"`    // port
	Broker  int      `json:"broker"` // port
}

const addressesVersion = 1

func parseAddresses(text []byte) (a addresses, err error) {
	if err := json.Unmarshal(text, &a); err != nil {
		return a, calms.Errorf(calms.KindInvalid, "public addresses: the record is malformed")
	}
	if a.Version > addressesVersion {
		return a, calms.Errorf(calms.KindInvalid, "public addresses: version %d is newer than this program's %d", a.Version, addressesVersion)
	}
	if len(a.Hosts) == 0 {
		return a, calms.Errorf(calms.KindInvalid, "public addresses: the record has no hosts")
	}
	return a, nil
}

// addressFile is the [backup.Source] of the addresses. A snapshot holds those
// of the running cloud; a restore writes them into a file of the data directory,
// where every later start finds them.
type addressFile struct {
	path string
	told addresses // what is exported; a restore needs none
}

// Name implements [backup.Source].
func (addressFile) Name() string { return addressesName }

// Export implements [backup.Source].
func (f addressFile) Export(_ context.Context, w io.Writer) (backup.Exported, error) {
	return backup.Exported{Schema: addressesVersion, Rows: 1}, json.NewEncoder(w).Encode(f.told)
}

// Import implements [backup.Source].
func (f addressFile) Import(_ context.Context, r io.Reader) (rows int64, err error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	if _, err := parseAddresses(text); err != nil {
		return 0, err
	}
	return 1, durable.WriteFile(f.path, text, 0o600)
}

// restored reads what a restore wrote; nil where nothing was ever restored.
func (f addressFile) restored() (*addresses, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, calms.Wrap("read public addresses", err)
	}
	a, err := parseAddresses(text)
	return &a, calms.Wrap(f.path, err)
}

// adopt takes over what the configuration leaves at its default.
func (a addresses) adopt(c *config) {
	if slices.Equal(c.Public.Hosts, defaultHosts()) {
		c.Public.Hosts = a.Hosts
	}
	if c.Listen.API == defaultAPI {
		c.Listen.API = ":" + strconv.Itoa(a.API)
	}
	if c.Listen.Broker == defaultBroker {
		c.Listen.Broker = ":" + strconv.Itoa(a.Broker)
	}
}

// tellable is where this cloud tells others to find it.
func tellable(c config, d *doors) addresses {
	return addresses{addressesVersion, c.Public.Hosts, port(d.api), port(d.broker)}
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// missing says what of the addresses a cloud does not answer to; empty is
// nothing.
func (a addresses) missing(here addresses) string {
	var lost []string
	for _, host := range a.Hosts {
		if !slices.Contains(here.Hosts, host) {
			lost = append(lost, "host "+host)
		}
	}
	if a.API != here.API {
		lost = append(lost, fmt.Sprintf("API port %d (now %d)", a.API, here.API))
	}
	if a.Broker != here.Broker {
		lost = append(lost, fmt.Sprintf("broker port %d (now %d)", a.Broker, here.Broker))
	}
	return strings.Join(lost, ", ")
}
