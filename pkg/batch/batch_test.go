package batch

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/calms"
)

func codec(t testing.TB) *Codec {
	t.Helper()
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func equal(a, b Batch) bool {
	if a.Boot != b.Boot || len(a.Columns) != len(b.Columns) {
		return false
	}
	for i := range a.Columns {
		x, y := &a.Columns[i], &b.Columns[i]
		if x.Channel != y.Channel || x.Len() != y.Len() {
			return false
		}
		for j := range x.Times {
			if x.Times[j] != y.Times[j] || !same(x.Values[j], y.Values[j]) || x.Qualities[j] != y.Qualities[j] {
				return false
			}
		}
	}
	return true
}

func column(channel int, values ...float64) Column {
	c := Column{Channel: channel}
	for i, v := range values {
		c.Append(calms.Sample{Time: int64(i) * 1e9, Value: v})
	}
	return c
}

func awkward() map[string]Batch {
	nan := math.Float64frombits(0x7ff8dead_beef0001)
	irregular := Column{Channel: 3}
	for _, t := range []int64{math.MinInt64, -1, 0, 5, math.MaxInt64} {
		irregular.Append(calms.Sample{Time: t, Value: float64(t), Quality: calms.BadTimeout})
	}
	qualities := column(1, 1, 2, 3, 4)
	qualities.Qualities = []calms.Quality{calms.Good, calms.Good, calms.BadSensor, calms.Good}
	return map[string]Batch{
		"nothing":      {Boot: [16]byte{1}},
		"empty column": {Columns: []Column{{Channel: 7}}},
		"constant":     {Columns: []Column{column(0, 5, 5, 5)}},
		"decimal":      {Columns: []Column{column(0, 23.5, 23.51, 23.499, -0.01)}},
		"float32":      {Columns: []Column{column(0, float64(float32(math.Pi)), float64(float32(math.E)))}},
		"float64":      {Columns: []Column{column(0, math.Pi, math.E)}},
		"extremes":     {Columns: []Column{column(0, math.Inf(1), math.Inf(-1), nan, math.Copysign(0, -1), 0, 5e-324, math.MaxFloat64, 1<<53+2)}},
		"irregular":    {Columns: []Column{irregular}},
		"qualities":    {Columns: []Column{qualities, column(2, 1)}},
		"big integers": {Columns: []Column{column(0, 1<<53, 1, -(1 << 53))}},
		"mixed scales": {Columns: []Column{column(0, 0.1, 123456789012345, 0.000001)}},
	}
}

func TestEverythingComesBackToTheBit(t *testing.T) {
	c := codec(t)
	for name, b := range awkward() {
		data, err := c.Encode(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := c.Decode(data)
		if err != nil || !equal(b, got) {
			t.Errorf("%s came back as %+v, %v", name, got, err)
		}
	}
}

func TestRandomBatchesComeBack(t *testing.T) {
	c := codec(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b Batch
		for i := range rng.IntN(5) {
			col, t0 := Column{Channel: i}, rng.Int64()
			shape := rng.IntN(4)
			for range rng.IntN(50) {
				t0 += int64(rng.IntN(3)) * 1e8
				v := [...]float64{rng.NormFloat64(), math.Round(rng.NormFloat64()*1e4) / 100, float64(rng.Float32()), math.Float64frombits(rng.Uint64())}[shape]
				col.Append(calms.Sample{Time: t0, Value: v, Quality: calms.Quality(rng.IntN(3))})
			}
			b.Columns = append(b.Columns, col)
		}
		data, err := c.Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Decode(data); err != nil || !equal(b, got) {
			t.Fatalf("%+v came back as %+v, %v", b, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	c := codec(t)
	data, err := c.Encode(awkward()["decimal"])
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := c.Decode(data[:n]); calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%d of %d bytes give %v", n, len(data), err)
		}
	}
	data[0] = 9
	if _, err := c.Decode(data); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("a newer version gives %v", err)
	}
	if _, err := c.Encode(Batch{Columns: []Column{{Times: []int64{1}}}}); err == nil {
		t.Error("a column without values was accepted")
	}
	bomb := c.compress.EncodeAll(make([]byte, maxPlain+1), []byte{Version})
	if _, err := c.Decode(bomb); err == nil {
		t.Error("a batch that expands beyond the limit was accepted")
	}
}

// TestSlowChannelsAreSmall guards the reason for columns: 50 slowly varying
// channels at 1 s for 10 s stay below 2 bytes a sample.
func TestSlowChannelsAreSmall(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var b Batch
	for i := range 50 {
		col, v := Column{Channel: i}, 100*rng.Float64()
		for j := range 10 {
			v += rng.NormFloat64() * 0.05
			col.Append(calms.Sample{Time: int64(j) * 1e9, Value: math.Round(v*100) / 100})
		}
		b.Columns = append(b.Columns, col)
	}
	data, err := codec(t).Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	if perSample := float64(len(data)) / 500; perSample > 2 {
		t.Errorf("%.2f bytes a sample", perSample)
	}
}

func FuzzDecode(f *testing.F) {
	c := codec(f)
	for _, b := range awkward() {
		data, err := c.Encode(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := c.Decode(data)
		if err != nil {
			return
		}
		again, err := c.Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Decode(again); err != nil || !equal(b, got) {
			t.Errorf("%+v came back as %+v, %v", b, got, err)
		}
	})
}

// FuzzPlain reaches behind the compression.
func FuzzPlain(f *testing.F) {
	c := codec(f)
	for _, b := range awkward() {
		data, err := c.Encode(b)
		if err != nil {
			f.Fatal(err)
		}
		plain, err := c.expand.DecodeAll(data[1:], nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		if _, err := c.Decode(c.compress.EncodeAll(plain, []byte{Version})); err != nil && calms.KindOf(err) != calms.KindInvalid {
			t.Error(err)
		}
	})
}
