package chart

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the golden files")

var start = time.Date(2026, 8, 1, 21, 13, 20, 0, time.UTC)

// wave is a day in a compressor room: a wave with noise, a rise, and a time in
// which the sensor answered badly.
func wave(name, unit string, base, amplitude float64, buckets int) Series {
	s := Series{Name: name, Unit: unit}
	for i := range buckets {
		at := float64(i) / float64(buckets)
		if at > 0.33 && at < 0.4 {
			s.Buckets = append(s.Buckets, Bucket{Bad: 5})
			continue
		}
		v := base + amplitude*math.Sin(9*at)
		if at > 0.66 {
			v += amplitude
		}
		noise := amplitude * 0.1 * (1 + math.Sin(float64(i*i)))
		s.Buckets = append(s.Buckets, Bucket{Count: 10, Min: v - noise, Max: v + noise, Mean: v})
	}
	last := s.Buckets[buckets-1].Mean
	s.Last = &last
	return s
}

func flat(value float64, buckets, every int) Series {
	s := Series{Name: "acme/ljubljana/comp-3/dew-point", Unit: "°C", Last: &value, Buckets: make([]Bucket, buckets)}
	for i := 0; i < buckets; i += every {
		s.Buckets[i] = Bucket{Count: 1, Min: value, Max: value, Mean: value}
	}
	return s
}

func TestGolden(t *testing.T) {
	zone := time.FixedZone("CEST", 2*3600)
	over := func(length time.Duration, width, height int) Options {
		return Options{From: start, To: start.Add(length), Width: width, Height: height}
	}
	hour := over(time.Hour, 80, 12)
	ascii, color, local := over(time.Hour, 80, 10), over(6*time.Hour, 100, 9), over(72*time.Hour, 80, 8)
	ascii.ASCII, color.Color = true, true
	local.From, local.To = local.From.In(zone), local.To.In(zone)
	trio := func(o Options) []Series {
		n := o.Buckets()
		return []Series{
			wave("acme/ljubljana/comp-3/flow", "m³/h", 420, 40, n),
			wave("acme/ljubljana/comp-4/flow", "m³/h", 380, 30, n),
			wave("acme/ljubljana/comp-3/power", "kW", 37, 0.4, n),
		}
	}
	sparse := flat(-21.5, hour.Buckets(), 7)
	for i := 40; i < 80; i++ {
		sparse.Buckets[i] = Bucket{}
	}
	for name, c := range map[string]struct {
		o      Options
		series []Series
	}{
		"one":      {hour, trio(hour)[:1]},
		"panels":   {over(time.Hour, 80, 6), trio(hour)},
		"color":    {color, trio(color)},
		"ascii":    {ascii, trio(ascii)[:2]},
		"days":     {local, trio(local)[:1]},
		"seconds":  {over(30*time.Second, 80, 6), trio(hour)[2:]},
		"year":     {over(365*24*time.Hour, 80, 6), trio(hour)[2:]},
		"midnight": {over(6*time.Hour, 80, 6), trio(hour)[2:]},
		"narrow":   {over(time.Hour, 10, 1), trio(over(time.Hour, 10, 1))[:1]},
		"constant": {over(time.Hour, 80, 5), []Series{sparse}},
		"zero":     {over(time.Hour, 80, 5), []Series{flat(0, hour.Buckets(), 1)}},
		"large":    {over(time.Hour, 80, 5), []Series{wave("total", "m³", 8.1e9, 4e7, hour.Buckets())}},
		"empty":    {over(time.Hour, 80, 5), []Series{{Name: "acme/ljubljana/comp-3/flow", Unit: "m³/h", Buckets: []Bucket{{Bad: 3}, {}}}}},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, Render(c.series, c.o)) })
	}
}

func golden(t *testing.T, name, got string) {
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the chart changed (-update accepts it); got\n%s\nwant\n%s", got, want)
	}
}

func TestChartFits(t *testing.T) {
	for width := 0; width < 150; width += 7 {
		for _, ascii := range []bool{false, true} {
			o := Options{From: start, To: start.Add(time.Hour), Width: width, Height: 6, ASCII: ascii}
			text := Render([]Series{wave("flow", "m³/h", 420, 40, o.Buckets())}, o)
			for i, line := range strings.Split(text, "\n") {
				stats := i < 2 // a title may be longer than a very narrow chart
				if n := utf8.RuneCountInString(line); n > max(width, minWidth) && !stats {
					t.Errorf("width %d: line %q has %d cells", width, line, n)
				}
			}
			if ascii && len(text) != utf8.RuneCountInString(text) {
				t.Errorf("not ASCII:\n%s", text)
			}
		}
	}
}

func TestGapsBreakTheLine(t *testing.T) {
	value := Bucket{Count: 1, Min: 1, Max: 1, Mean: 1}
	every := func(distance int) []Bucket {
		b := make([]Bucket, 60)
		for i := 0; i < 60; i += distance {
			b[i] = value
		}
		return b
	}
	bad := every(2)
	bad[5].Bad = 1
	hole := every(2)
	for i := 20; i < 30; i++ {
		hole[i] = Bucket{}
	}
	for name, c := range map[string]struct {
		buckets []Bucket
		want    []int
	}{
		"dense": {every(1), nil}, "slow sampling is no gap": {every(5), nil},
		"bad samples": {bad, []int{6}}, "missing samples": {hole, []int{30}},
	} {
		var got []int
		for i, broken := range gaps(c.buckets) {
			if broken {
				got = append(got, i)
			}
		}
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%s: the line breaks before %v, want %v", name, got, c.want)
		}
	}
}
