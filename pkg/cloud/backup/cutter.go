package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
)

// Sizes of segments, in bytes. A segment is small enough to be held in memory a
// few times over, and large enough that a repository has few objects.
const (
	minSegment    = 1 << 20
	targetSegment = 4 << 20 // on average, beyond minSegment
	maxSegment    = 12 << 20
)

// cutter cuts an export into segments at ends of records (lines). Where it cuts
// depends on the records around only, so a row that is inserted or removed
// changes the segment around it and no other, and the rest is found in the
// repository by name. Not for concurrent use.
type cutter struct {
	emit    func(segment []byte) error // must not keep segment
	segment []byte                     // reused
	record  hash.Hash                  // of the record being read
	length  uint64                     // of that record so far
}

func newCutter(emit func([]byte) error) *cutter {
	return &cutter{emit: emit, record: sha256.New()}
}

// Write takes the next bytes of the export.
func (c *cutter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			n = len(rest)
		}
		n = min(n, maxSegment-len(c.segment))
		if err := c.take(rest[:n]); err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// take adds a piece of one record that fits into the segment.
func (c *cutter) take(piece []byte) error {
	c.segment = append(c.segment, piece...)
	c.record.Write(piece)
	c.length += uint64(len(piece))
	ended := piece[len(piece)-1] == '\n'
	cut := len(c.segment) == maxSegment || ended && len(c.segment) >= minSegment && c.chosen()
	if ended {
		c.record.Reset()
		c.length = 0
	}
	if cut {
		return c.flush()
	}
	return nil
}

// chosen tells whether a segment ends with this record: with a probability of
// its length in targetSegment, decided by nothing but its content.
func (c *cutter) chosen() bool {
	draw := binary.BigEndian.Uint64(c.record.Sum(nil))
	return c.length >= targetSegment || draw < c.length*(math.MaxUint64/targetSegment)
}

// flush emits what is left.
func (c *cutter) flush() error {
	if len(c.segment) == 0 {
		return nil
	}
	err := c.emit(c.segment)
	c.segment = c.segment[:0]
	return err
}
