package endtoend

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// needle is something that must not be found where only ciphertext may lie.
type needle struct {
	what string
	text []byte
}

// needles are all values that an instrument served, as programs write numbers,
// and the names of what it measures. A float32 alone is too short to be looked
// for in so many bytes, so these are looked for as the instrument sent them:
// one answer, all registers.
func (e *edge) needles() (all []needle) {
	served := e.instrument.served(e.path())
	var answers [][]byte
	for channel, log := range served {
		all = append(all, needle{"channel " + channel, []byte(filepath.Base(channel))})
		for i, r := range log {
			if len(answers) <= i {
				answers = append(answers, nil)
			}
			value := "value " + strconv.FormatFloat(r.value, 'g', -1, 64)
			all = append(all,
				needle{value + ", decimal", []byte(strconv.FormatFloat(r.value, 'f', -1, 64))},
				needle{value + ", float64 big-endian", binary.BigEndian.AppendUint64(nil, math.Float64bits(r.value))},
				needle{value + ", float64 little-endian", binary.LittleEndian.AppendUint64(nil, math.Float64bits(r.value))})
		}
	}
	for _, channel := range []string{"f000", "f001", "f002", "f003"} {
		for i, r := range served[e.path()+"/"+instrumentName+"-"+channel] {
			answers[i] = binary.BigEndian.AppendUint32(answers[i], math.Float32bits(float32(r.value)))
		}
	}
	for i, answer := range answers {
		all = append(all, needle{"answer " + strconv.Itoa(i), answer})
	}
	return all
}

// absent looks for needles in a heap; short decimals ("1000") are passed over,
// since chance writes them too.
func absent(t *testing.T, where string, heap []byte, needles []needle) {
	t.Helper()
	if len(heap) == 0 {
		return
	}
	for _, n := range needles {
		if len(n.text) >= 8 && bytes.Contains(heap, n.text) {
			t.Errorf("%s holds %s", where, n.what)
			return
		}
	}
}

// files reads all files below a folder, sockets left out.
func (r *rig) files(folder string) map[string][]byte {
	r.t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(r.file(folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if len(all) == 0 {
		r.t.Fatalf("nothing is in %s", folder)
	}
	return all
}

// operatorKey is the key in the first operator's file.
func (c *cloud) operatorKey() string {
	c.rig.t.Helper()
	var file struct{ Key string }
	if err := json.Unmarshal([]byte(c.rig.read(c.data+"/operator.yaml")), &file); err != nil || len(file.Key) < 16 {
		c.rig.t.Fatalf("the operator's file: %v", err)
	}
	return file.Key
}

// TestOnlyCiphertextLeavesIngest: a captured broker, a stolen edge disk and a
// stolen repository hold no value, no name of what is measured, and no key of
// an operator; nor do the cloud's databases hold that key.
func TestOnlyCiphertextLeavesIngest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.newCloud("cloud", "")
	c.found()
	c.repository()
	e := c.newEdge("comp-1", calm)
	b := c.capture(e)
	e.start()
	e.measures(20)
	c.snapshot()
	disk := r.files(e.name) // of a running edge, with its write-ahead log
	e.drain()
	c.exact(e)

	key := needle{"the operator's key", []byte(c.operatorKey())}
	needles := append(e.needles(), key)
	t.Logf("looking for %d texts", len(needles))
	var wire []byte
	for _, m := range b.recorded() {
		wire = append(wire, m.payload...)
	}
	absent(t, "what the broker saw", wire, needles)
	for _, folder := range []map[string][]byte{disk, r.files(e.name), r.files("repository")} {
		for path, content := range folder {
			absent(t, path, content, needles)
		}
	}
	for path, content := range r.files(c.data) {
		if filepath.Base(path) != "operator.yaml" {
			absent(t, path, content, []needle{key})
		}
	}
	findable(t, r, c, needles)
}

// findable makes sure that what was looked for can be found at all: the same
// search finds it where it has to be.
func findable(t *testing.T, r *rig, c *cloud, needles []needle) {
	t.Helper()
	heap := append([]byte(r.read("export.jsonl")), r.read(c.data+"/operator.yaml")...)
	for _, n := range needles {
		if bytes.HasPrefix([]byte(n.what), []byte("answer")) || bytes.HasSuffix([]byte(n.what), []byte("endian")) {
			continue
		}
		if !bytes.Contains(heap, n.text) {
			t.Errorf("%s is not even in the export", n.what)
			return
		}
	}
	if names := r.files(c.data); !bytes.Contains(names[r.file(c.data, "fleet.db")], []byte(instrumentName)) &&
		!bytes.Contains(names[r.file(c.data, "fleet.db-wal")], []byte(instrumentName)) {
		t.Error("the fleet's own database does not hold the names of channels: where are they?")
	}
}
