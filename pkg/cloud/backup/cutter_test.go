package backup

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// cutAll writes text in random pieces and returns the segments.
func cutAll(t testing.TB, text []byte) (segments [][]byte) {
	t.Helper()
	c := newCutter(func(segment []byte) error {
		segments = append(segments, bytes.Clone(segment))
		return nil
	})
	for rest := text; len(rest) > 0; {
		n := min(1+rand.IntN(100_000), len(rest))
		if _, err := c.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := c.flush(); err != nil {
		t.Fatal(err)
	}
	return segments
}

func records(n, size int) []byte {
	source := rand.New(rand.NewPCG(1, 2))
	var text bytes.Buffer
	for i := range n {
		fmt.Fprintf(&text, "[%d,%q]\n", i, bytes.Repeat([]byte{byte('a' + source.IntN(26))}, 1+source.IntN(2*size)))
	}
	return text.Bytes()
}

func TestSegmentsAreWholeRecordsOfUsefulSize(t *testing.T) {
	text := records(24_000, 1000)
	segments := cutAll(t, text)
	if !bytes.Equal(bytes.Join(segments, nil), text) {
		t.Fatal("the segments are not the export")
	}
	for i, segment := range segments {
		last := i == len(segments)-1
		if len(segment) > maxSegment || !last && len(segment) < minSegment || len(segment) < maxSegment && segment[len(segment)-1] != '\n' {
			t.Errorf("segment %d has %d bytes and ends with %q", i, len(segment), segment[len(segment)-1])
		}
	}
	if mean := len(text) / len(segments); mean < 2<<20 || mean > 9<<20 {
		t.Errorf("%d segments of %d bytes on average", len(segments), mean)
	}
}

func TestAChangeTouchesItsSurroundingsOnly(t *testing.T) {
	text := records(24_000, 1000)
	half := bytes.IndexByte(text[len(text)/2:], '\n') + len(text)/2 + 1
	changed := bytes.Join([][]byte{text[:half], []byte("[\"inserted\"]\n"), text[half:]}, nil)
	have := map[string]bool{}
	for _, segment := range cutAll(t, text) {
		have[string(segment)] = true
	}
	fresh := 0
	for _, segment := range cutAll(t, changed) {
		if !have[string(segment)] {
			fresh++
		}
	}
	if fresh == 0 || fresh > 3 || len(have) < 4 {
		t.Errorf("%d of %d segments are new", fresh, len(have))
	}
}

func TestARecordWithoutAnEndIsBounded(t *testing.T) {
	segments := cutAll(t, make([]byte, 2*maxSegment+5))
	if len(segments) != 3 || len(segments[0]) != maxSegment || len(segments[2]) != 5 {
		t.Errorf("%d segments", len(segments))
	}
	if segments := cutAll(t, nil); len(segments) != 0 {
		t.Errorf("nothing gives %d segments", len(segments))
	}
	boom := errors.New("boom")
	c := newCutter(func([]byte) error { return boom })
	if _, err := c.Write(make([]byte, maxSegment)); !errors.Is(err, boom) {
		t.Errorf("write gives %v", err)
	}
}
