package httpapi

import (
	"bufio"
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"go.calms.com/calms/pkg/calms"
)

type exportRequest struct {
	Path string `query:"path" doc:"every channel at or below it; empty is everything" example:"acme/ljubljana"`
	Span
	Format string `query:"format" enum:"csv,jsonl" default:"csv"`
}

func (r exportRequest) scope() (calms.Path, error) { return calms.ParsePath(r.Path) }

// sampleWriter is one of the formats of an export.
type sampleWriter interface {
	write(channel calms.Path, s calms.Sample) error
	close() error
}

// export streams all samples at or below a path: channel after channel in the
// order of their paths, each oldest first.
func (d *door) export(ctx context.Context, in *exportRequest, out *stream) error {
	buffered := bufio.NewWriterSize(out, 64<<10)
	samples, err := newSampleWriter(in.Format, out, buffered)
	if err != nil {
		return err
	}
	if err := d.walk(ctx, calms.Path(in.Path), in.Span, samples.write); err != nil {
		return err
	}
	if err := samples.close(); err != nil {
		return err
	}
	return buffered.Flush()
}

func newSampleWriter(format string, out *stream, w io.Writer) (sampleWriter, error) {
	if format == "jsonl" {
		out.media = jsonLines
		return newLines(w), nil
	}
	out.media = csvText
	return newTable(w)
}

// walk visits the samples of every channel at or below a path. What channels a
// device has is asked of the history: it may hold more than the fleet was told.
func (d *door) walk(ctx context.Context, path calms.Path, s Span, f func(calms.Path, calms.Sample) error) error {
	devices, err := d.Fleet.Devices(ctx, path.At(calms.LevelDevice))
	if err != nil {
		return err
	}
	from, to := s.nanos()
	for _, device := range devices {
		id := calms.DeviceID(device.ID)
		channels, err := d.History.Channels(ctx, id)
		if err != nil {
			return err
		}
		for _, c := range channels {
			channel := calms.Path(device.Path).Child(c.Name)
			if !path.Contains(channel) {
				continue
			}
			write := func(s calms.Sample) error { return f(channel, s) }
			if _, err := d.History.Walk(ctx, id, c.Name, from, to, write); err != nil {
				return err
			}
		}
	}
	return nil
}

// table writes samples as CSV (RFC 4180): channel, time, value, quality. A
// sample without a value has an empty field.
type table struct{ w *csv.Writer }

func newTable(w io.Writer) (table, error) {
	t := table{csv.NewWriter(w)}
	return t, t.w.Write([]string{"channel", "time", "value", "quality"})
}

func (t table) write(channel calms.Path, s calms.Sample) error {
	value := ""
	if v := number(s.Value); v != nil {
		value = strconv.FormatFloat(*v, 'g', -1, 64)
	}
	return t.w.Write([]string{string(channel), time.Unix(0, s.Time).UTC().Format(time.RFC3339Nano), value, s.Quality.String()})
}

func (t table) close() error {
	t.w.Flush()
	return t.w.Error()
}
