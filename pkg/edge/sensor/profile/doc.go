// Package profile describes instruments as data: which points an instrument has
// and where its protocol finds them. A profile is a YAML file:
//
//	version: 1                  # of this format; a newer one is refused
//	name: suto-s430             # a path segment
//	description: what it is
//	sources: [URL, …]           # where the register map was taken from
//	protocol: modbus            # the only one yet
//	modbus:                     # defaults of all points
//	  function: 3               # 3 holding registers, 4 input registers
//	  word-order: high-first    # or low-first
//	  byte-order: high-first    # or low-first
//	  max-block: 125            # registers in one request
//	  max-hole: 0               # unused registers a request may read across
//	  never-block: false        # true: every point in a request of its own
//	points:
//	  - name: flow              # a path segment
//	    unit: m³/h
//	    description: volume flow
//	    address: 6              # from 0, as on the wire
//	    type: float32           # uint16 int16 uint32 int32 uint64 int64 float32 float64
//	    function: 3             # function, word-order, byte-order: where it differs
//	    scale: 1                # value = raw × scale + offset
//	    offset: 0
//	    invalid: [0x7fc00000]   # raw bits that mean "no value"
//	    range: [0, 2000]        # stated by the maker; a value outside is uncertain
//	    typical: [320, 1180]    # where a simulation moves
//	    counter: false          # true: a simulation counts up
//
// Unknown keys are errors.
package profile
