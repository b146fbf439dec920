package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
)

// Export is GET /v1/data/export: f is called with every sample of the range, in
// the order of the channels' paths and of time, until f or the stream fails. A
// nil error means that the export is whole; an export knows no limit.
func (c *Client) Export(ctx context.Context, q Query, f func(Sample) error) error {
	q.Limit = 0
	query := q.values()
	query.Set("format", "jsonl")
	return c.stream(ctx, "/v1/data/export", query, f)
}

// Tail is GET /v1/data/tail: f is called with every sample that the cloud stores
// below path from now on, until ctx ends or f fails.
func (c *Client) Tail(ctx context.Context, path string, f func(Sample) error) error {
	return c.stream(ctx, "/v1/data/tail", url.Values{"path": {path}}, f)
}

// stream reads one sample a line. The line that f refuses ends it with f's error.
func (c *Client) stream(ctx context.Context, path string, query url.Values, f func(Sample) error) error {
	response, err := c.send(ctx, "GET", path, query, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// The reader's buffer is the flow control: a slow f slows the server.
	decoder := json.NewDecoder(bufio.NewReaderSize(response.Body, 64<<10))
	for {
		var sample Sample
		switch err := decoder.Decode(&sample); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return c.broken(ctx, err)
		}
		if err := f(sample); err != nil {
			return err
		}
	}
}
