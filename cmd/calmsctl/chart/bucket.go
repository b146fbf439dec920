package chart

import (
	"math"
	"slices"
)

// summarise puts buckets together into one.
func summarise(buckets []Bucket) Bucket {
	total := Bucket{Min: math.Inf(1), Max: math.Inf(-1)}
	for _, b := range buckets {
		total.Bad += b.Bad
		if b.Count == 0 {
			continue
		}
		total.Count += b.Count
		total.Mean += (b.Mean - total.Mean) * float64(b.Count) / float64(total.Count)
		total.Min, total.Max = min(total.Min, b.Min), max(total.Max, b.Max)
	}
	return total
}

// gaps tells before which buckets the line is broken: where samples without a
// value lie in between, or where more is missing than the usual distance of
// this series, which may well be longer than a bucket.
func gaps(buckets []Bucket) map[int]bool {
	usual := usualDistance(buckets)
	broken := map[int]bool{}
	last, bad := -1, false
	for i, b := range buckets {
		if b.Count == 0 {
			bad = bad || b.Bad > 0
			continue
		}
		if last >= 0 {
			broken[i] = bad || float64(i-last) > 2.5*usual
		}
		last, bad = i, false
	}
	return broken
}

// usualDistance is the median distance between buckets that hold values.
func usualDistance(buckets []Bucket) float64 {
	var distances []int
	last := -1
	for i, b := range buckets {
		if b.Count == 0 {
			continue
		}
		if last >= 0 {
			distances = append(distances, i-last)
		}
		last = i
	}
	if len(distances) == 0 {
		return 1
	}
	slices.Sort(distances)
	return float64(distances[len(distances)/2])
}
