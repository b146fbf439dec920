package httpapi

import (
	"context"
	"math"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/history"
)

const (
	defaultLimit   = 10_000  // samples of a query that names no limit
	maxLimit       = 100_000 // an answer is built in memory; export streams
	defaultBuckets = 100
)

// Span is a range of time. A zero end is open.
type Span struct {
	From time.Time `query:"from" doc:"inclusive; left out: from the beginning"`
	To   time.Time `query:"to" doc:"exclusive; left out: to the end"`
}

// nanos are the ends in nanoseconds since 1970 UTC. Times that do not
// fit an int64 so (before 1678, after 2262) are cut to what fits.
func (s Span) nanos() (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if !s.From.IsZero() {
		from = nanos(s.From)
	}
	if !s.To.IsZero() {
		to = nanos(s.To)
	}
	return from, to
}

func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

type queryRequest struct {
	Path string `query:"path" required:"true" doc:"channel path" example:"acme/ljubljana/comp-3/flow"`
	Span
	Limit int `query:"limit" minimum:"0" maximum:"100000" doc:"newest samples at most; 0 is 10000"`
}

func (r queryRequest) scope() (calms.Path, error) {
	return calms.ParsePathAt(r.Path, calms.LevelChannel)
}

type digestRequest struct {
	Path string `query:"path" required:"true" doc:"channel path" example:"acme/ljubljana/comp-3/flow"`
	Span
	Buckets int `query:"buckets" minimum:"0" maximum:"10000" doc:"how many; 0 is 100"`
}

func (r digestRequest) scope() (calms.Path, error) {
	return calms.ParsePathAt(r.Path, calms.LevelChannel)
}

func (d *door) query(ctx context.Context, in *queryRequest) (api.Series, error) {
	channel, device, err := d.resolve(ctx, calms.Path(in.Path))
	if err != nil {
		return api.Series{}, err
	}
	from, to := in.nanos()
	limit := in.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	result, err := d.History.Query(ctx, device, calms.Path(in.Path).Base(), from, to, min(limit, maxLimit))
	if err != nil {
		return api.Series{}, err
	}
	series := api.Series{Channel: channel, Truncated: result.Truncated, Losers: result.Losers, Unplaced: result.Unplaced}
	series.Samples = make([]api.Sample, 0, len(result.Samples))
	for _, s := range result.Samples {
		series.Samples = append(series.Samples, sample(calms.Path(in.Path), s))
	}
	return series, nil
}

func (d *door) digest(ctx context.Context, in *digestRequest) (api.Digest, error) {
	channel, device, err := d.resolve(ctx, calms.Path(in.Path))
	if err != nil {
		return api.Digest{}, err
	}
	if in.From.IsZero() || in.To.IsZero() || !in.From.Before(in.To) {
		return api.Digest{}, calms.Errorf(calms.KindInvalid, "a digest needs from and to, from before to")
	}
	buckets := in.Buckets
	if buckets == 0 {
		buckets = defaultBuckets
	}
	from, to := in.nanos()
	digest := api.Digest{Channel: channel, From: in.From.UTC(), To: in.To.UTC()}
	slices, err := d.History.Digest(ctx, device, calms.Path(in.Path).Base(), from, to, buckets)
	for _, s := range slices {
		digest.Buckets = append(digest.Buckets, bucket(s))
	}
	return digest, err
}

func bucket(s history.Digest) api.Bucket {
	return api.Bucket{
		Start: time.Unix(0, s.Start).UTC(),
		Count: s.Count,
		Bad:   s.Bad,
		Min:   number(s.Min),
		Max:   number(s.Max),
		Mean:  number(s.Mean),
	}
}

// resolve finds a channel and the identity of its device, by which the history
// knows it.
func (d *door) resolve(ctx context.Context, path calms.Path) (api.Channel, calms.DeviceID, error) {
	channel, err := d.Fleet.Channel(ctx, path)
	if err != nil {
		return api.Channel{}, "", err
	}
	device, err := d.Fleet.Device(ctx, path.Parent())
	return channel, calms.DeviceID(device.ID), err
}

// sample is a sample as it travels.
func sample(channel calms.Path, s calms.Sample) api.Sample {
	return api.Sample{Channel: string(channel), Time: time.Unix(0, s.Time).UTC(), Value: number(s.Value), Quality: s.Quality.String()}
}

// number is a value as it travels: JSON has no NaN and no infinities.
func number(value float64) *float64 {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil
	}
	return &value
}
