package api

import "time"

// Sample is one value of one channel, as GET /v1/data/export (jsonl) and
// GET /v1/data/tail stream it, one JSON object a line.
type Sample struct {
	Channel string    `json:"channel" doc:"channel path"`
	Time    time.Time `json:"time"`
	Value   *float64  `json:"value" doc:"null where there is none; infinities and other NaN are null too, see the quality"`
	Quality string    `json:"quality" doc:"good, uncertain:…, bad:…"`
}

// Query selects samples: the parameters of GET /v1/data/query and
// /v1/data/export.
type Query struct {
	Path  string    // channel, or in export any prefix
	From  time.Time // inclusive; zero is the beginning
	To    time.Time // exclusive; zero is the end
	Limit int       // newest samples at most; 0 is the server's limit (query) or none (export)
}

// Series is the answer of GET /v1/data/query: the newest samples of one channel
// in the range, oldest first.
type Series struct {
	Channel   Channel  `json:"channel"`
	Samples   []Sample `json:"samples"`
	Truncated bool     `json:"truncated" doc:"older samples of the range were left out because of the limit"`
	Losers    uint64   `json:"losers" doc:"samples of the range that lost against another one of the same time"`
	Unplaced  uint64   `json:"unplaced" doc:"samples of the channel that wait for a time anchor"`
}

// Bucket is the digest of one slice of a range.
type Bucket struct {
	Start time.Time `json:"start"`
	Count uint64    `json:"count" doc:"samples with a value"`
	Bad   uint64    `json:"bad" doc:"samples without one"`
	Min   *float64  `json:"min"`
	Max   *float64  `json:"max"`
	Mean  *float64  `json:"mean"`
}

// Digest is the answer of GET /v1/data/digest: a range in equal buckets.
type Digest struct {
	Channel Channel   `json:"channel"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Buckets []Bucket  `json:"buckets"`
}
