package endtoend

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of some mebibytes in the rig.
func (r *rig) smallDisk(name string, mebibytes int) (path string) {
	r.t.Helper()
	path = r.file(name)
	if err := os.Mkdir(path, 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=700", mebibytes)); err != nil {
		r.t.Skipf("no file system can be mounted here: %v", err)
	}
	r.t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			r.t.Error(err)
		}
	})
	return path
}

// fill takes all the space that is left on a disk; removing the file gives it
// back.
func fill(t *testing.T, disk string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(disk, "ballast")
	f, err := os.Create(ballast)
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
	return ballast
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// dense fills a small disk soon.
var dense = pace{floats: 100, interval: 100 * time.Millisecond, batch: 500 * time.Millisecond}

// TestFullDiskOfTheCloud: nothing is acknowledged that is not stored, an alarm
// says why, and space is all that it takes to go on.
func TestFullDiskOfTheCloud(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	disk := r.smallDisk("disk", 24)
	c := r.newCloud("cloud", "")
	c.data = "disk/data"
	c.found()
	e := c.newEdge("comp-1", dense)
	e.start()
	e.measures(3)

	ballast := fill(t, disk)
	r.await("the alarm stands", func() bool { return c.alarmed("disk-full") })
	stuck, _ := e.status()
	r.await("the edge keeps what it measures", func() bool {
		s, ok := e.status()
		return ok && s.Journal.Waiting >= stuck.Journal.Waiting+10
	})
	if !c.process.running() {
		t.Fatalf("the cloud has ended\n%s", r.tail("cloud"))
	}

	remove(t, ballast)
	r.await("the alarm is cleared by itself", func() bool { return !c.alarmed("disk-full") })
	e.measures(2)
	e.drain()
	c.exact(e)
}

// TestFullDiskOfTheEdge: measuring goes on, nothing is counted that is not on
// disk, the status says so, and space is all that it takes.
func TestFullDiskOfTheEdge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.newCloud("cloud", "")
	c.found()
	disk := r.smallDisk("comp-1", 16)
	e := c.newEdge("comp-1", dense)
	e.start()
	e.measures(3)

	ballast := fill(t, disk)
	r.await("the status says that nothing can be stored", func() bool { return e.alarmed("not-stored") })
	full := e.journal().counted()
	r.await("samples wait in memory", func() bool {
		s, ok := e.status()
		return ok && s.Samples.Pending > 3000 && s.Samples.LastError != ""
	})
	if counted := e.journal().counted(); counted > full {
		t.Errorf("%d samples are counted on a full disk that held %d", counted, full)
	}
	if s, ok := e.status(); !ok || s.Samples.Dropped > 0 {
		t.Errorf("samples were dropped although there was memory: %+v", s.Samples)
	}

	remove(t, ballast)
	r.await("the samples are stored by themselves", func() bool {
		s, ok := e.status()
		return ok && s.Samples.LastError == "" && s.Samples.Pending < 1000 && !e.alarmed("not-stored")
	})
	e.drain()
	c.exact(e) // what waited in memory is there too
}

// TestBeyondTheMemory: an edge that can store nothing for so long that its
// memory is full says how much it lost.
func TestBeyondTheMemory(t *testing.T) {
	t.Parallel()
	const channels, instruments = 5000, 2 // at 10 Hz: a million samples in ten seconds
	r := newRig(t)
	c := r.newCloud("cloud", "")
	c.found()
	disk := r.smallDisk("comp-1", 16)
	e := c.newEdge("comp-1", dense)

	// Nobody listens there: the samples are bad, and as many as good ones.
	profile := "version: 1\nname: many\nprotocol: modbus\nmodbus: {function: 3, word-order: high-first}\npoints:\n"
	for i := range channels {
		profile += fmt.Sprintf("  - {name: p%04d, address: %d, type: float32}\n", i, 2*i)
	}
	r.write("many.yaml", profile)
	config := strings.Replace(r.read("comp-1.yaml"), "instruments:\n", "memory: {limit: 512MiB}\ninstruments:\n", 1)
	for i := range instruments {
		config += fmt.Sprintf("  - {name: many-%d, profile: %s, address: %q, interval: 100ms}\n", i, r.file("many.yaml"), freeAddress(t))
	}
	r.write("comp-1.yaml", config)
	e.relay.setCut(true)
	e.start()
	r.await("the edge measures", func() bool { s, ok := e.status(); return ok && s.Samples.Stored > 0 })
	fill(t, disk)
	r.await("the edge says that samples were lost", func() bool {
		s, ok := e.status()
		return ok && s.Samples.Dropped > 0 && e.alarmed("dropped")
	})
	s, _ := e.status()
	if known := s.Samples.Stored + s.Samples.Dropped + uint64(s.Samples.Pending); known+100_000 < s.Samples.Samples {
		t.Errorf("of %d samples %d are accounted for: %+v", s.Samples.Samples, known, s.Samples)
	}
}
