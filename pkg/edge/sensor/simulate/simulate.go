package simulate

import (
	"errors"
	"io"
	"log"
	"net"
	"os"
	"syscall"

	"github.com/simonvetter/modbus"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/edge/sensor/profile"
)

// Options say what to serve and where.
type Options struct {
	Listen  string          // host:port; port 0 takes a free one
	Profile profile.Profile // of protocol modbus
	Unit    uint8           // unit id; others are answered with an exception
	Log     string          // file that the lines are appended to
	Seed    uint64          // of the waves and their noise
}

// maxClients is how many may read at once.
const maxClients = 100

// Server is a simulated instrument that is being served.
type Server struct {
	server  *modbus.ModbusServer
	address string
	log     *os.File
	device  *device
}

// Start serves an instrument until Close. A bad address or log file is
// [calms.KindInvalid], a port in use [calms.KindConflict].
func Start(o Options) (*Server, error) {
	if o.Profile.Protocol != profile.ProtocolModbus {
		return nil, calms.Errorf(calms.KindInvalid, "simulate %q: its protocol %q is not %s", o.Profile.Name, o.Profile.Protocol, profile.ProtocolModbus)
	}
	file, err := openLog(o.Log)
	if err != nil {
		return nil, calms.Wrap("simulate", err)
	}
	s := &Server{log: file, device: newDevice(o.Profile, o.Unit, o.Seed, file)}
	if err := s.listen(o.Listen); err != nil {
		file.Close()
		return nil, calms.Wrap("simulate", err)
	}
	return s, nil
}

// freePortAttempts bounds the search for a free port, which another process may
// take between its choice and its use.
const freePortAttempts = 10

// listen starts the library's server. It does not tell which port it got, so a
// free one is chosen beforehand.
func (s *Server) listen(address string) error {
	for attempt := 1; ; attempt++ {
		chosen, err := choosePort(address)
		if err != nil {
			return listenError(address, err)
		}
		s.address = chosen
		s.server, err = modbus.NewServer(&modbus.ServerConfiguration{
			URL: "tcp://" + chosen, MaxClients: maxClients, Logger: log.New(io.Discard, "", 0),
		}, s.device)
		if err == nil {
			err = s.server.Start()
		}
		if err == nil || chosen == address || !errors.Is(err, syscall.EADDRINUSE) || attempt == freePortAttempts {
			return listenError(address, err)
		}
	}
}

func listenError(address string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return calms.Errorf(calms.KindConflict, "listen on %s: %w", address, err)
	}
	return calms.Errorf(calms.KindInvalid, "listen on %q: %w", address, err)
}

func choosePort(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "0" {
		return address, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Address is where the instrument listens, with the real port.
func (s *Server) Address() string { return s.address }

// Close cuts all connections and closes the log. Call it once.
func (s *Server) Close() error {
	err := s.server.Stop()
	s.device.mu.Lock() // a request under way finishes its line
	defer s.device.mu.Unlock()
	return errors.Join(err, s.log.Close())
}
