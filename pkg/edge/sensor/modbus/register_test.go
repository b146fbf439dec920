package modbus

import (
	"math"
	"slices"
	"testing"

	"go.calms.com/calms/pkg/calms"
)

func TestDecode(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		r       Register
		words   []uint16
		value   float64
		quality calms.Quality
	}{
		"ABCD":            {Register{Type: Float32}, []uint16{0x41BC, 0x0000}, 23.5, 0},
		"CDAB":            {Register{Type: Float32, LowFirst: true}, []uint16{0x0000, 0x41BC}, 23.5, 0},
		"BADC":            {Register{Type: Float32, ByteSwap: true}, []uint16{0xBC41, 0x0000}, 23.5, 0},
		"DCBA":            {Register{Type: Float32, ByteSwap: true, LowFirst: true}, []uint16{0x0000, 0xBC41}, 23.5, 0},
		"widened exactly": {Register{Type: Float32}, []uint16{0x3DCC, 0xCCCD}, float64(float32(0.1)), 0},
		"minus zero":      {Register{Type: Float32}, []uint16{0x8000, 0}, math.Copysign(0, -1), 0},
		"uint16":          {Register{Type: Uint16}, []uint16{0xFFFE}, 65534, 0},
		"int16":           {Register{Type: Int16}, []uint16{0xFFFE}, -2, 0},
		"int32 low first": {Register{Type: Int32, LowFirst: true}, []uint16{0x1DC0, 0xFFFE}, -123456, 0},
		"uint32":          {Register{Type: Uint32}, []uint16{0xFFFF, 0xFFFE}, 4294967294, 0},
		"int64":           {Register{Type: Int64}, []uint16{0xFFFF, 0xFFFF, 0xFFFF, 0xFFF9}, -7, 0},
		"uint64":          {Register{Type: Uint64, LowFirst: true}, []uint16{1, 0, 0, 1}, 1<<48 + 1, 0},
		"float64":         {Register{Type: Float64}, []uint16{0x4037, 0x8000, 0, 0}, 23.5, 0},
		"tenth":           {Register{Type: Uint16, Scale: 0.1}, []uint16{3}, 0.3, 0},
		"offset":          {Register{Type: Int16, Scale: 0.5, Offset: -40}, []uint16{100}, 10, 0},
		"odd scale":       {Register{Type: Uint16, Scale: 2.5}, []uint16{3}, 7.5, 0},
		"marker":          {Register{Type: Int16, Invalid: []uint64{0x8000}}, []uint16{0x8000}, nan, calms.BadInvalidValue},
		"nan":             {Register{Type: Float32}, []uint16{0x7FC0, 0}, nan, calms.BadInvalidValue},
		"infinity":        {Register{Type: Float32}, []uint16{0x7F80, 0}, nan, calms.BadInvalidValue},
		"above its range": {Register{Type: Uint16, Low: 0, High: 100}, []uint16{101}, 101, calms.UncertainRange},
		"in its range":    {Register{Type: Uint16, Low: 0, High: 100}, []uint16{100}, 100, 0},
		"short":           {Register{Type: Uint32}, []uint16{1}, nan, calms.BadReply},
	} {
		if c.r.Scale == 0 {
			c.r.Scale = 1
		}
		got := c.r.Decode(c.words)
		if got.Quality != c.quality || math.Float64bits(got.Value) != math.Float64bits(c.value) {
			t.Errorf("%s: %v (%v), want %v (%v)", name, got.Value, got.Quality, c.value, c.quality)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint8(6), uint8(1), []byte{0, 0, 0x41, 0xBC}, 1.0, 0.0)
	f.Add(uint8(1), uint8(0), []byte{0x80, 0}, 0.1, -3.0)
	f.Fuzz(func(t *testing.T, kind, order uint8, data []byte, scale, offset float64) {
		r := Register{Function: ReadHolding, Type: Types()[int(kind)%len(Types())], LowFirst: order&1 != 0, ByteSwap: order&2 != 0, Scale: scale, Offset: offset}
		if r.Check() != nil {
			return
		}
		var words []uint16
		for i := 0; i+1 < len(data); i += 2 {
			words = append(words, uint16(data[i])<<8|uint16(data[i+1]))
		}
		got := r.Decode(words)
		if got.Quality.IsBad() != math.IsNaN(got.Value) || math.IsInf(got.Value, 0) {
			t.Errorf("%v is %v", got.Value, got.Quality)
		}
		if len(words) != r.Type.Words() {
			if got.Quality != calms.BadReply {
				t.Errorf("%d words for a %s are %v", len(words), r.Type, got.Quality)
			}
			return
		}
		if back := r.Words(r.Raw(words)); !slices.Equal(back, words) {
			t.Errorf("%v came back as %v", words, back)
		}
	})
}

func TestPlan(t *testing.T) {
	at := func(f Function, address uint16, typ Type) Register {
		return Register{Function: f, Address: address, Type: typ, Scale: 1}
	}
	registers := []Register{
		at(3, 20, Float32), at(3, 0, Float32), at(3, 2, Uint16), at(4, 0, Float32), at(3, 5, Float32), at(3, 1, Float32),
	}
	every := []int{0, 1, 2, 3, 4, 5}
	for name, c := range map[string]struct {
		m    Map
		want []block
	}{
		"no holes":  {Map{Registers: registers}, []block{{3, 0, 3, []int{1, 5, 2}}, {3, 5, 2, []int{4}}, {3, 20, 2, []int{0}}, {4, 0, 2, []int{3}}}},
		"holes":     {Map{Registers: registers, MaxHole: 2}, []block{{3, 0, 7, []int{1, 5, 2, 4}}, {3, 20, 2, []int{0}}, {4, 0, 2, []int{3}}}},
		"all in 22": {Map{Registers: registers, MaxHole: 50, MaxBlock: 22}, []block{{3, 0, 22, []int{1, 5, 2, 4, 0}}, {4, 0, 2, []int{3}}}},
		"21 at most": {Map{Registers: registers, MaxHole: 50, MaxBlock: 21},
			[]block{{3, 0, 7, []int{1, 5, 2, 4}}, {3, 20, 2, []int{0}}, {4, 0, 2, []int{3}}}},
		"never": {Map{Registers: registers[:3], Single: true}, []block{{3, 0, 2, []int{1}}, {3, 2, 1, []int{2}}, {3, 20, 2, []int{0}}}},
	} {
		got := newPlanner(c.m).plan(every[:len(c.m.Registers)])
		if !slices.EqualFunc(got, c.want, func(a, b block) bool {
			return a.function == b.function && a.address == b.address && a.count == b.count && slices.Equal(a.points, b.points)
		}) {
			t.Errorf("%s: %v\nwant %v", name, got, c.want)
		}
	}
}
