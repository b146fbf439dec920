package modbus

import (
	"encoding/binary"
	"io"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"go.calms.com/calms/pkg/edge/sensor"
	"go.calms.com/calms/pkg/edge/sensor/sensortest"
)

// bench is a Modbus TCP instrument, written against the specification and not
// with the library under test, that can misbehave. Its float registers hold a
// number that grows with every request.
type bench struct {
	t       *testing.T
	address string
	floats  int    // low word first, from address 0
	missing uint16 // first address that does not exist

	mu       sync.Mutex
	listener net.Listener     // mu; nil while absent
	conns    []net.Conn       // mu
	fault    sensortest.Fault // mu
	requests int              // mu
	served   map[int]float32  // mu; by register pair
	log      [][2]int         // mu; address and count of each request
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, floats: 4, missing: 0xFFFF, served: map[int]float32{}}
	b.listen("127.0.0.1:0")
	t.Cleanup(func() { b.Break(sensortest.Absent) })
	return b
}

func (b *bench) listen(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.listener, b.address = l, l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns = append(b.conns, c)
			b.mu.Unlock()
			go b.serve(c)
		}
	}()
}

func (b *bench) registerMap() Map {
	names := []string{"a", "b", "c", "d"}
	m := Map{}
	for i := range b.floats {
		r := Register{Function: ReadHolding, Address: uint16(2 * i), Type: Float32, LowFirst: true, Scale: 1, Invalid: []uint64{0x7FBADBAD}}
		r.Point.Name = names[i]
		m.Registers = append(m.Registers, r)
	}
	return m
}

func (b *bench) Driver(t *testing.T) sensor.Driver {
	d, err := New(Config{Address: b.address, Unit: 1, Timeout: sensortest.ReadTimeout, Map: b.registerMap()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func (b *bench) Served(point int) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return float64(b.served[point])
}

func (b *bench) Break(f sensortest.Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.fault
	b.fault = f
	if f == sensortest.Absent && b.listener != nil {
		b.listener.Close()
		b.listener = nil
		for _, c := range b.conns {
			c.Close()
		}
		b.conns = nil
	}
	if was == sensortest.Absent && f != sensortest.Absent {
		b.listen(b.address)
	}
}

func (b *bench) serve(c net.Conn) {
	defer c.Close()
	for request := make([]byte, 12); ; {
		if _, err := io.ReadFull(c, request); err != nil {
			return
		}
		reply, delay := b.reply(request)
		time.Sleep(delay)
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}

func (b *bench) reply(request []byte) ([]byte, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	address, count := int(binary.BigEndian.Uint16(request[8:])), int(binary.BigEndian.Uint16(request[10:]))
	b.log = append(b.log, [2]int{address, count})
	good := frame(request, append([]byte{request[7], byte(2 * count)}, b.words(address, count)...))
	switch b.fault {
	case sensortest.Silent:
		return nil, 0
	case sensortest.Late:
		return good, sensortest.ReadTimeout + 100*time.Millisecond
	case sensortest.Garbled:
		return frame(request, []byte{request[7], 2, 1, 2, 3, 4, 5}), 0
	case sensortest.Refusing:
		return frame(request, []byte{request[7] | 0x80, 4}), 0
	}
	if address+count > int(b.missing) {
		return frame(request, []byte{request[7] | 0x80, 2}), 0
	}
	return good, 0
}

// words is the registers asked for; the caller holds mu.
func (b *bench) words(address, count int) []byte {
	b.requests++
	var out []byte
	for i := address; i < address+count; i++ {
		if i%2 == 0 || i == address {
			b.served[i/2] = float32(b.requests) + float32(i/2)/10
		}
		raw := math.Float32bits(b.served[i/2])
		if b.fault == sensortest.Marker {
			raw = 0x7FBADBAD
		}
		out = binary.BigEndian.AppendUint16(out, uint16(raw>>(16*(i%2))))
	}
	return out
}

// frame puts a PDU behind the header of its request.
func frame(request, pdu []byte) []byte {
	out := append([]byte{}, request[:4]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(pdu)+1))
	return append(append(out, request[6]), pdu...)
}
