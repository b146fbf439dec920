package httpapi

import (
	"bufio"
	"context"
	"sync"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// tailBuffer is how many samples may wait for a reader. What a slower one
// misses is still in the history.
const tailBuffer = 4096

type tailRequest struct {
	Path string `query:"path" doc:"every channel at or below it; empty is everything" example:"acme/ljubljana"`
}

func (r tailRequest) scope() (calms.Path, error) { return calms.ParsePath(r.Path) }

type arrival struct {
	channel calms.Path
	sample  calms.Sample
}

// tail streams every sample at or below a path as it is stored, until the
// reader goes away. An empty line now and then shows that the stream lives.
func (d *door) tail(ctx context.Context, in *tailRequest, out *stream) error {
	if err := out.Flush(); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop(nil)
	arrivals := make(chan arrival, tailBuffer)
	wg.Go(func() { stop(d.collect(ctx, calms.Path(in.Path), arrivals)) })
	if err := d.forward(ctx, arrivals, out); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// collect passes the samples that concern the reader.
func (d *door) collect(ctx context.Context, prefix calms.Path, arrivals chan<- arrival) error {
	names := deviceNames{fleet: d.Fleet, known: map[calms.DeviceID]calms.Path{}}
	return d.History.Tail(ctx, func(id calms.DeviceID, channel string, s calms.Sample) error {
		path, ok := names.path(ctx, id)
		if !ok || !prefix.Contains(path.Child(channel)) {
			return nil
		}
		select {
		case arrivals <- arrival{path.Child(channel), s}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// forward writes what arrives and flushes whenever nothing waits, so that a
// batch travels as one.
func (d *door) forward(ctx context.Context, arrivals <-chan arrival, out *stream) error {
	buffered := bufio.NewWriter(out)
	samples := newLines(buffered)
	heartbeat := time.NewTicker(d.Heartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-heartbeat.C:
			_ = buffered.WriteByte('\n') // the error comes back with Flush
		case a := <-arrivals:
			if err := samples.write(a.channel, a.sample); err != nil {
				return err
			}
			if len(arrivals) > 0 {
				continue
			}
		}
		if err := buffered.Flush(); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// deviceNames remembers the paths of devices for one stream. It belongs to the
// goroutine that calls the history.
type deviceNames struct {
	fleet Fleet
	known map[calms.DeviceID]calms.Path
	asked time.Time
}

// path finds a device's path. The fleet is asked again for an unknown device,
// not more often than each second.
func (n *deviceNames) path(ctx context.Context, id calms.DeviceID) (calms.Path, bool) {
	path, ok := n.known[id]
	if ok || time.Since(n.asked) < time.Second {
		return path, ok
	}
	n.asked = time.Now()
	devices, err := n.fleet.Devices(ctx, "")
	if err != nil {
		return "", false
	}
	for _, device := range devices {
		n.known[calms.DeviceID(device.ID)] = calms.Path(device.Path)
	}
	path, ok = n.known[id]
	return path, ok
}
