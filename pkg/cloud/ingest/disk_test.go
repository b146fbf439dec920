package ingest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/ingest"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// smallDisk mounts a file system of 8 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m,mode=0700"); err != nil {
		t.Fatalf("mount a small file system (run the tests as root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the space that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	check(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else {
			check(t, err)
		}
	}
}

// noise appends a batch of some 100 kB.
func (e *edge) noise() wire.Entry {
	e.t.Helper()
	column := batch.Column{}
	for i := range 12_000 {
		column.Append(calms.Sample{Time: int64(i), Value: rand.NormFloat64()})
	}
	codec, err := batch.NewCodec()
	check(e.t, err)
	data, err := codec.Encode(batch.Batch{Boot: [16]byte{1}, Columns: []batch.Column{column}})
	check(e.t, err)
	return e.append(wire.KindBatch, data, column.Len(), wire.ObjectName(e.list))
}

// On a full disk nothing is acknowledged, to the edge or to the broker; one
// alarm stands until something is stored again.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	c := newCloudIn(t, disk)
	e := newEdge(c).talk()
	first := e.measure(1)
	e.deliver(first)
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	var err error
	for n := 0; err == nil && n < 20; n++ { // what the files have reserved is used up first
		next := uint64(len(e.entries)) + 1
		err = c.Handle(context.Background(), e.device, 0, wire.StreamEntries, e.message(e.noise()))
		if stored := c.cursor(e.journal) == next; stored != (err == nil) || stored != (len(c.heard(e.device)) == 1) {
			t.Fatalf("entry %d is stored: %t, with %v", next, stored, err)
		}
	}
	if !errors.Is(err, store.ErrFull) || c.raised(ingest.AlarmDiskFull) != 1 || c.raised("message-dropped") != 0 {
		t.Fatalf("the full disk gives %v, alarms are %v", err, c.alarms)
	}
	// What needs no space does not say that there is some.
	e.sendObjects(e.list)
	e.deliver(first)
	if c.cleared[ingest.AlarmDiskFull] != 0 {
		t.Error("the alarm was cleared although the disk is full")
	}
	check(t, os.Remove(ballast))
	last := e.entries[len(e.entries)-1]
	if a := e.deliver(last); a.Number != last.Number || c.cleared[ingest.AlarmDiskFull] != 1 {
		t.Errorf("with space again the answer is %+v; cleared %v", a, c.cleared)
	}
	if e.deliver(e.measure(1)); c.cleared[ingest.AlarmDiskFull] != 1 {
		t.Error("the alarm is cleared over and over")
	}
}
