// Package modbus reads instruments over Modbus TCP (Modbus Application Protocol
// 1.1b3, function codes 3 and 4). What stands in which register is data (a
// [Map], usually from a profile); registers are read raw and decoded here, point
// by point, because word and byte order differ between points of one instrument.
//
// A float32 becomes a float64 by exact widening, without any rounding: every
// float32 is also a float64. Whoever compares with an instrument's own log
// compares float64(math.Float32frombits(raw)), or Python's struct.unpack(">f"),
// bit for bit. This holds as long as the register has no scale and no offset;
// with a scale of 1/n, n an integer, the value is raw/n, correctly rounded, so
// that 235 at 0.1 is 23.5 and 3 at 0.1 is 0.3.
package modbus
