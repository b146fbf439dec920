// Package batch turns the samples of one device and one interval into columnar
// bytes and back: the plaintext of a journal entry of kind batch.
//
// # Format, version 1
//
// A version byte, then one zstd frame (RFC 8878) of: the boot id (16 bytes), the
// base time (zigzag varint), the number of columns (uvarint), and the columns.
// A column is the channel (uvarint), the number of samples (uvarint), its times,
// values and qualities, each behind a byte that names the encoding chosen:
//
//	times      1 regular: offset of the first from the base, then the interval (zigzag varints)
//	           2 deltas:  zigzag varints, the first from the base
//	values     1 constant: one IEEE 754 binary64, little-endian
//	           2 decimal:  exponent (byte), then zigzag varint deltas of value·10^exponent
//	           3 float32:  IEEE 754 binary32, little-endian
//	           4 float64:  IEEE 754 binary64, little-endian
//	qualities  1 runs: pairs of length (uvarint) and quality (byte)
//
// Every encoding is exact to the bit.
package batch

import (
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/zstd"

	"go.calms.com/calms/pkg/calms"
)

// Version is the format that [Codec.Encode] writes.
const Version = 1

// Limits of what [Codec.Decode] accepts.
const (
	MaxColumns = 1 << 16
	MaxSamples = 1 << 20 // of one batch
	maxPlain   = 32 << 20
)

// Batch is the samples of one device and one interval.
type Batch struct {
	Boot    [16]byte // the boot whose monotonic clock the times count
	Columns []Column
}

// Column is the samples of one channel in the order of their times. The three
// slices have one length.
type Column struct {
	Channel   int     // index in the list of channels that the entry's object holds
	Times     []int64 // nanoseconds of the boot's monotonic clock
	Values    []float64
	Qualities []calms.Quality
}

// Append adds a sample.
func (c *Column) Append(s calms.Sample) {
	c.Times = append(c.Times, s.Time)
	c.Values = append(c.Values, s.Value)
	c.Qualities = append(c.Qualities, s.Quality)
}

// At is the i-th sample.
func (c *Column) At(i int) calms.Sample {
	return calms.Sample{Time: c.Times[i], Value: c.Values[i], Quality: c.Qualities[i]}
}

// Len is the number of samples.
func (c *Column) Len() int { return len(c.Times) }

// Samples counts all samples.
func (b *Batch) Samples() (n int) {
	for i := range b.Columns {
		n += b.Columns[i].Len()
	}
	return n
}

// Span is the lowest and the highest time, both 0 where there is no sample.
func (b *Batch) Span() (first, last int64) {
	found := false
	for i := range b.Columns {
		times := b.Columns[i].Times
		if len(times) == 0 {
			continue
		}
		lo, hi := slices.Min(times), slices.Max(times)
		if !found {
			first, last, found = lo, hi, true
			continue
		}
		first, last = min(first, lo), max(last, hi)
	}
	return first, last
}

// Codec encodes and decodes batches. It is safe for concurrent use.
type Codec struct {
	compress *zstd.Encoder
	expand   *zstd.Decoder
}

// NewCodec makes a codec.
func NewCodec() (*Codec, error) {
	compress, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	expand, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPlain))
	if err != nil {
		return nil, err
	}
	return &Codec{compress, expand}, nil
}

// Encode writes a batch. Columns whose slices differ in length, and batches
// above the limits, are errors.
func (c *Codec) Encode(b Batch) ([]byte, error) {
	if len(b.Columns) > MaxColumns || b.Samples() > MaxSamples {
		return nil, calms.Errorf(calms.KindInvalid, "batch of %d columns and %d samples is above the limits of %d and %d", len(b.Columns), b.Samples(), MaxColumns, MaxSamples)
	}
	base, _ := b.Span()
	plain := append([]byte(nil), b.Boot[:]...)
	plain = binary.AppendVarint(plain, base)
	plain = binary.AppendUvarint(plain, uint64(len(b.Columns)))
	for i := range b.Columns {
		column := &b.Columns[i]
		if len(column.Values) != column.Len() || len(column.Qualities) != column.Len() || column.Channel < 0 {
			return nil, calms.Errorf(calms.KindInvalid, "column %d of the batch is not whole", i)
		}
		plain = appendColumn(plain, column, base)
	}
	return c.compress.EncodeAll(plain, []byte{Version}), nil
}

// Decode reads what [Codec.Encode] wrote. Any other bytes are an error, never a
// crash or a wrong value that could be told.
func (c *Codec) Decode(data []byte) (Batch, error) {
	var b Batch
	if len(data) == 0 {
		return b, malformed("is empty")
	}
	if data[0] > Version {
		return b, calms.Errorf(calms.KindInvalid, "batch has version %d, this program reads up to %d", data[0], Version).
			WithHint("update calms-cloudd")
	}
	plain, err := c.expand.DecodeAll(data[1:], nil)
	if err != nil || data[0] != Version {
		return b, malformed("cannot be expanded")
	}
	r := reader{data: plain}
	copy(b.Boot[:], r.bytes(len(b.Boot)))
	base := r.varint()
	columns := r.count(MaxColumns)
	samples := 0
	for range columns {
		column := r.column(base, MaxSamples-samples)
		if r.failed {
			break
		}
		samples += column.Len()
		b.Columns = append(b.Columns, column)
	}
	if r.failed || len(r.data) > 0 {
		return Batch{}, malformed("is cut or has bytes too many")
	}
	return b, nil
}

func malformed(how string) error { return calms.Errorf(calms.KindInvalid, "batch %s", how) }
