package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/wire"
)

// records is a history of one channel; it fails where fail says so.
type records struct {
	History
	samples  []calms.Sample
	fail     error
	arriving chan calms.Sample
}

func (r records) Channels(context.Context, calms.DeviceID) ([]wire.Channel, error) {
	return []wire.Channel{{Name: "dew"}, {Name: "flow"}}, nil
}

func (r records) Walk(_ context.Context, _ calms.DeviceID, channel string, from, to int64, f func(calms.Sample) error) (uint64, error) {
	if channel != "flow" {
		return 0, nil
	}
	for _, s := range r.samples {
		if from <= s.Time && s.Time < to {
			if err := f(s); err != nil {
				return 0, err
			}
		}
	}
	return 0, r.fail
}

func (r records) Query(_ context.Context, device calms.DeviceID, channel string, from, to int64, limit int) (history.Result, error) {
	if device != testDevice || channel != "flow" || limit != defaultLimit {
		return history.Result{}, errors.New("asked for something else")
	}
	var result history.Result
	_, err := records{samples: r.samples}.Walk(context.Background(), device, channel, from, to, func(s calms.Sample) error {
		result.Samples = append(result.Samples, s)
		return nil
	})
	return result, err
}

func (r records) Tail(ctx context.Context, f func(calms.DeviceID, string, calms.Sample) error) error {
	for {
		select {
		case s := <-r.arriving:
			if err := errors.Join(f("d-unknown", "flow", s), f(testDevice, "flow", s)); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var threeSamples = []calms.Sample{
	{Time: 1_000_000_001, Value: 1.5},
	{Time: 2_000_000_000, Value: math.NaN(), Quality: calms.BadTimeout},
	{Time: 3_000_000_000, Value: math.Inf(1), Quality: calms.UncertainRange},
}

func TestQuery(t *testing.T) {
	server := newTestDoor(t, Services{Fleet: fleetOf{}, History: records{samples: threeSamples}})
	response, text := ask(t, server, "GET", "/v1/data/query?path=a/b/c/flow&from=1970-01-01T00:00:01.000000001Z&to=1970-01-01T00:00:03Z", testKey, "")
	var series api.Series
	if err := json.Unmarshal([]byte(text), &series); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	if len(series.Samples) != 2 || *series.Samples[0].Value != 1.5 || series.Samples[1].Value != nil ||
		series.Samples[1].Quality != "bad:timeout" || series.Channel.Unit != "bar" {
		t.Errorf("got %s", text)
	}
	response, text = ask(t, server, "GET", "/v1/data/query?path=a/b/x/flow", testKey, "")
	wantProblem(t, response, text, http.StatusNotFound, calms.KindNotFound)
}

func TestExport(t *testing.T) {
	server := newTestDoor(t, Services{Fleet: fleetOf{}, History: records{samples: threeSamples}})
	for path, want := range map[string]string{
		"?path=a": "channel,time,value,quality\n" +
			"a/b/c/flow,1970-01-01T00:00:01.000000001Z,1.5,good\n" +
			"a/b/c/flow,1970-01-01T00:00:02Z,,bad:timeout\n" +
			"a/b/c/flow,1970-01-01T00:00:03Z,,uncertain:range\n",
		"?path=a/b/c/dew": "channel,time,value,quality\n",
		"?path=a/b/c/flow&format=jsonl&to=1970-01-01T00:00:03Z": `{"channel":"a/b/c/flow","time":"1970-01-01T00:00:01.000000001Z","value":1.5,"quality":"good"}` + "\n" +
			`{"channel":"a/b/c/flow","time":"1970-01-01T00:00:02Z","value":null,"quality":"bad:timeout"}` + "\n",
	} {
		response, text := ask(t, server, "GET", "/v1/data/export"+path, testKey, "")
		if response.StatusCode != http.StatusOK || text != want {
			t.Errorf("%s: %d\n%s\nwant\n%s", path, response.StatusCode, text, want)
		}
	}
}

func TestExportThatFailsIsNoWhole(t *testing.T) {
	failing := records{samples: threeSamples[:1], fail: errors.New("the table is gone")}
	server := newTestDoor(t, Services{Fleet: fleetOf{}, History: failing})
	response, text := ask(t, server, "GET", "/v1/data/export", testKey, "")
	wantProblem(t, response, text, http.StatusInternalServerError, calms.KindInternal)

	failing.samples = make([]calms.Sample, 100_000) // more than is buffered
	server = newTestDoor(t, Services{Fleet: fleetOf{}, History: failing})
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/data/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testKey)
	cut, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer cut.Body.Close()
	lines := bufio.NewScanner(cut.Body)
	for lines.Scan() {
	}
	if lines.Err() == nil {
		t.Error("an export that failed in the middle looks whole")
	}
}

func TestTail(t *testing.T) {
	arriving := make(chan calms.Sample)
	services := Services{Identity: operators{}, Fleet: fleetOf{}, History: records{arriving: arriving}}
	options := testOptions(t)
	options.Heartbeat = 10 * time.Millisecond
	server := httptest.NewUnstartedServer(New(services, options))
	server.Config.ReadTimeout, server.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond // a stream outlives them
	server.StartTLS()
	t.Cleanup(server.Close)

	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/data/tail?path=a/b", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testKey)
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	next := func() string {
		if !lines.Scan() {
			t.Fatalf("the stream ended: %v", lines.Err())
		}
		return lines.Text()
	}
	for started := time.Now(); time.Since(started) < time.Second; {
		if beat := next(); beat != "" {
			t.Fatalf("a line is %q, want a heartbeat", beat)
		}
	}
	for range 3 {
		arriving <- threeSamples[0]
		line := next()
		for line == "" {
			line = next()
		}
		if !strings.Contains(line, `"a/b/c/flow"`) || !strings.Contains(line, "1.5") {
			t.Errorf("got %s", line)
		}
	}
}

func TestNanos(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want int64
	}{
		{time.Unix(0, 5), 5},
		{time.Date(1, 2, 3, 0, 0, 0, 0, time.UTC), math.MinInt64},
		{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxInt64},
	} {
		if got := nanos(c.at); got != c.want {
			t.Errorf("nanos(%v) = %d, want %d", c.at, got, c.want)
		}
	}
}
