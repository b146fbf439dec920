package endtoend

import (
	"testing"
	"time"
)

// TestVerdictFindsEveryKindOfFault holds the judge itself to what it is for.
func TestVerdictFindsEveryKindOfFault(t *testing.T) {
	begin := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	at := func(second int) time.Time { return begin.Add(time.Duration(second) * time.Second) }
	log := make([]reading, 10)
	for i := range log {
		log[i] = reading{at(i), float64(i)}
	}
	whole := func() *stored {
		s := &stored{good: map[float64][]time.Time{}}
		for _, r := range log {
			s.good[r.value] = []time.Time{r.at}
		}
		return s
	}
	without := func(values ...float64) *stored {
		s := whole()
		for _, value := range values {
			delete(s.good, value)
		}
		return s
	}
	kill := []death{{at(6).Add(500 * time.Millisecond), at(6).Add(501 * time.Millisecond)}}
	doubled, foreign, misplaced, unread := whole(), whole(), whole(), without(4)
	doubled.good[3] = append(doubled.good[3], at(3))
	foreign.good[77] = []time.Time{at(7)}
	misplaced.good[5] = []time.Time{at(9)}
	unread.bad = []time.Time{at(3)}
	for name, c := range map[string]struct {
		stored *stored
		deaths []death
		ok     bool
	}{
		"exact":                      {whole(), nil, true},
		"missing":                    {without(4), nil, false},
		"the last one before a kill": {without(5, 6), kill, true},
		"a hole before a kill":       {without(5), kill, false},
		"too old for a kill":         {without(1, 2, 3, 4, 5, 6), kill, false},
		"after a kill":               {without(7), kill, false},
		"before a kill, and others":  {without(2, 6), kill, false},
		"doubled":                    {doubled, nil, false},
		"never served":               {foreign, nil, false},
		"at another time":            {misplaced, nil, false},
		"read too late, and told so": {unread, nil, true},
		"nothing stored":             {&stored{}, nil, false},
	} {
		var v verdict
		v.channel("c", log, c.stored, c.deaths, 3*time.Second)
		if ok := v.faults() == ""; ok != c.ok {
			t.Errorf("%s: %s\n%s", name, v, v.faults())
		}
	}
}
