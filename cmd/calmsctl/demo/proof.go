package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"go.calms.com/calms/pkg/api"
)

// series is how often each value of one channel occurs. The simulated
// instruments never serve a value of a channel twice.
type series map[float64]int

// verdict is what holding the cloud against the instruments' logs showed.
type verdict struct {
	Served  int `json:"served"`  // values that the instruments logged before the cut-off
	Stored  int `json:"stored"`  // good values that the cloud exports
	Missing int `json:"missing"` // served, not stored
	Doubled int `json:"doubled"` // stored more than once
	Foreign int `json:"foreign"` // stored, never served
}

func (v verdict) clean() bool {
	return v.Served > 0 && v.Missing == 0 && v.Doubled == 0 && v.Foreign == 0
}

// compare holds an export against the logs. Values served after the cut-off may
// or may not have arrived; all others must have, once.
func compare(before, all, stored map[string]series) verdict {
	var v verdict
	for channel, values := range before {
		for value, n := range values {
			v.Served += n
			if stored[channel][value] == 0 {
				v.Missing++
			}
		}
	}
	for channel, values := range stored {
		for value, n := range values {
			v.Stored += n
			if n > 1 {
				v.Doubled++
			}
			if all[channel][value] == 0 {
				v.Foreign++
			}
		}
	}
	return v
}

// served is one line of an instrument's log.
type served struct {
	Time  time.Time `json:"time"`
	Point string    `json:"point"`
	Value float64   `json:"value"`
}

// readLog adds what an instrument logged to the channels prefix + point: what
// it served before the cut-off, and all of it.
func readLog(path, prefix string, cutoff time.Time, before, all map[string]series) error {
	return lines(path, func(line []byte) error {
		var s served
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		count(all, prefix+s.Point, s.Value)
		if s.Time.Before(cutoff) {
			count(before, prefix+s.Point, s.Value)
		}
		return nil
	})
}

// readExport reads the good samples of a JSON Lines export.
func readExport(path string) (map[string]series, error) {
	stored := map[string]series{}
	return stored, lines(path, func(line []byte) error {
		var s api.Sample
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		if s.Value != nil {
			count(stored, s.Channel, *s.Value)
		}
		return nil
	})
}

func count(channels map[string]series, channel string, value float64) {
	if channels[channel] == nil {
		channels[channel] = series{}
	}
	channels[channel][value]++
}

func lines(path string, f func(line []byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	for n := 1; scanner.Scan(); n++ {
		if err := f(scanner.Bytes()); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	return scanner.Err()
}
