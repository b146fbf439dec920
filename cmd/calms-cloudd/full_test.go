package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/wire"
)

// smallDisk mounts a file system of 24 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m,mode=700"); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the space that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// On a full disk nothing is acknowledged, the alarm stands, and all goes on by
// itself when there is space again.
func TestFullDisk(t *testing.T) {
	fixPorts(t)
	disk := smallDisk(t)
	cloud := start(t, serveOptions{data: filepath.Join(disk, "data")})
	cloud.ready()
	c := operatorOf(t, cloud.dir)
	e := enrolEdge(t, provision(t, c, "acme/ljubljana/comp-3"))
	l, _ := e.talk()
	e.measure(begin, 1)
	l.deliver(0)

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	stored := uint64(len(e.entries))
	for range 8 {
		e.record(begin, 12_000, func(int64) float64 { return rand.NormFloat64() }) // does not compress
	}
	for i := stored; i < uint64(len(e.entries)); i++ {
		l.publish(wire.StreamEntries, wire.Encode(wire.Entries{Journal: e.journal, Entries: e.entries[i : i+1]}))
	}
	select {
	case <-l.lost:
	case <-time.After(30 * time.Second):
		t.Fatal("entries were taken although the disk is full")
	}
	if !alarmed(t, c) {
		t.Error("no alarm stands")
	}
	journal := must[api.Device](t)(c.GetDevice(t.Context(), "acme/ljubljana/comp-3")).Journals[0]
	if journal.Cursor >= uint64(len(e.entries)) {
		t.Errorf("the cursor is at %d of %d", journal.Cursor, len(e.entries))
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	l, welcome := e.talk()
	for above := welcome.Cursors[0].Number; above < uint64(len(e.entries)); above++ {
		l.deliverTo(above, above+1)
	}
	eventually(t, "the alarm is cleared", func() bool { return !alarmed(t, c) })
	var n uint64
	if err := c.Export(t.Context(), api.Query{}, func(api.Sample) error { n++; return nil }); err != nil || n != e.total {
		t.Errorf("%d samples are stored of %d, %v", n, e.total, err)
	}
}

func alarmed(t *testing.T, c *api.Client) bool {
	t.Helper()
	for _, a := range must[[]api.Alarm](t)(c.ListAlarms(t.Context())) {
		if a.Kind == ingest.AlarmDiskFull {
			return true
		}
	}
	return false
}
