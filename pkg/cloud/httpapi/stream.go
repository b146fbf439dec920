package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

const (
	jsonLines = "application/jsonl"
	csvText   = "text/csv"
	// stall is how long a reader may take nothing before its stream is cut.
	stall = 30 * time.Second
)

// stream is an answer of unknown length. Its status is sent with the first
// byte, so that an error before it is still a problem document.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	media   string
	begun   bool
}

// Write implements [io.Writer].
func (s *stream) Write(p []byte) (int, error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

func (s *stream) begin() error {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", s.media)
		s.w.WriteHeader(http.StatusOK)
	}
	return s.control.SetWriteDeadline(time.Now().Add(stall))
}

// Flush sends what was written, and the header where nothing was.
func (s *stream) Flush() error {
	if err := s.begin(); err != nil {
		return err
	}
	return s.control.Flush()
}

// addStream is [add] for answers that are streams. Where a stream fails after
// it began the connection is aborted, which every HTTP client notices.
func addStream[I scoped](d *door, r route, handle func(context.Context, *I, *stream) error, media ...string) {
	op := d.operation(r, []option{d.streams(media)})
	huma.Register(d.api, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		if err := authorise(ctx, r.action, *in); err != nil {
			return nil, problemOf(ctx, d.Log, err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			_, w := humago.Unwrap(hc)
			s := &stream{w: w, control: http.NewResponseController(w), media: media[0]}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(d.Stopping, cancel)()
			err := handle(ctx, in, s)
			if err == nil {
				err = s.Flush()
			}
			d.end(ctx, s, err)
		}}, nil
	})
}

// streams describes the formats of a stream in the document.
func (d *door) streams(media []string) option {
	content := map[string]*huma.MediaType{jsonLines: {Schema: schemaOf[api.Sample](d)}}
	if slices.Contains(media, csvText) {
		content[csvText] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return func(op *huma.Operation) {
		op.Responses["200"] = &huma.Response{Description: "OK", Content: content}
	}
}

func (d *door) end(ctx context.Context, s *stream, err error) {
	switch {
	case err == nil:
	case !s.begun:
		problemOf(ctx, d.Log, err).write(s.w)
	default:
		if ctx.Err() == nil {
			d.Log.Error("stream failed", "request", requestID(ctx), "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

// lines writes samples as JSON, one a line.
type lines struct{ encoder *json.Encoder }

func newLines(w io.Writer) lines { return lines{json.NewEncoder(w)} }

func (l lines) write(channel calms.Path, s calms.Sample) error {
	return l.encoder.Encode(sample(channel, s))
}

func (lines) close() error { return nil }
