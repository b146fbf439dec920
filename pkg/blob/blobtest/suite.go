// Package blobtest is the suite that every [blob.Bucket] passes.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/calms"
)

// Run tests buckets that open makes, each empty and its own.
func Run(t *testing.T, open func(t *testing.T) blob.Bucket) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, blob.Bucket)
	}{
		{"put is read back", putIsReadBack},
		{"a name is written once", nameIsWrittenOnce},
		{"one of many writers wins", oneWriterWins},
		{"list", list},
		{"nothing there", nothingThere},
		{"wrong names", wrongNames},
		{"too large", tooLarge},
		{"ended context", endedContext},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func wantKind(t *testing.T, what string, err error, want calms.Kind) {
	t.Helper()
	if err == nil || calms.KindOf(err) != want {
		t.Errorf("%s gives %v (%s), want %s", what, err, calms.KindOf(err), want)
	}
}

func put(t *testing.T, b blob.Bucket, name string, data []byte) {
	t.Helper()
	if err := b.Put(t.Context(), name, data); err != nil {
		t.Fatal(err)
	}
}

func wantObject(t *testing.T, b blob.Bucket, name string, want []byte) {
	t.Helper()
	got, err := b.Get(t.Context(), name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s holds %d bytes (%v), want %d", name, len(got), err, len(want))
	}
	info, err := b.Stat(t.Context(), name)
	if err != nil || info.Name != name || info.Size != int64(len(want)) || time.Since(info.Created).Abs() > time.Hour {
		t.Errorf("stat of %s is %+v, %v", name, info, err)
	}
}

func putIsReadBack(t *testing.T, b blob.Bucket) {
	for name, data := range map[string][]byte{
		"repository.json": []byte("{}"), "packs/ab/abc.age": bytes.Repeat([]byte{0, 1, 254, 255}, 1<<20), "empty": {},
	} {
		put(t, b, name, data)
		wantObject(t, b, name, data)
	}
}

func nameIsWrittenOnce(t *testing.T, b blob.Bucket) {
	put(t, b, "a/b", []byte("first"))
	wantKind(t, "a second put", b.Put(t.Context(), "a/b", []byte("second")), calms.KindConflict)
	wantObject(t, b, "a/b", []byte("first"))
}

func oneWriterWins(t *testing.T, b blob.Bucket) {
	const writers = 16
	var winner atomic.Int64
	var wins, losses atomic.Int32
	var wg sync.WaitGroup
	content := func(i int64) []byte { return bytes.Repeat(fmt.Appendf(nil, "%03d", i), 10_000) }
	for i := range int64(writers) {
		wg.Go(func() {
			switch err := b.Put(t.Context(), "race/one", content(i)); {
			case err == nil:
				wins.Add(1)
				winner.Store(i)
			case calms.KindOf(err) == calms.KindConflict:
				losses.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 || losses.Load() != writers-1 {
		t.Fatalf("%d won, %d lost", wins.Load(), losses.Load())
	}
	wantObject(t, b, "race/one", content(winner.Load()))
}

func list(t *testing.T, b blob.Bucket) {
	for _, name := range []string{"facts/2", "packs/ab/1", "packs/ab-1", "packs/b/1", "facts/1", "packs-old"} {
		put(t, b, name, []byte(name))
	}
	for prefix, want := range map[string]string{
		"":         "facts/1 facts/2 packs-old packs/ab-1 packs/ab/1 packs/b/1",
		"packs/":   "packs/ab-1 packs/ab/1 packs/b/1",
		"packs/ab": "packs/ab-1 packs/ab/1",
		"facts/2":  "facts/2",
		"none/":    "",
	} {
		infos, err := b.List(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, info := range infos {
			names = append(names, info.Name)
			if info.Size != int64(len(info.Name)) {
				t.Errorf("size of %s is %d", info.Name, info.Size)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("list of %q is %q, want %q", prefix, got, want)
		}
	}
}

func nothingThere(t *testing.T, b blob.Bucket) {
	put(t, b, "a/b/c", nil)
	for _, name := range []string{"x", "a/x", "a/b", "a"} {
		_, err := b.Get(t.Context(), name)
		wantKind(t, "get of "+name, err, calms.KindNotFound)
		_, err = b.Stat(t.Context(), name)
		wantKind(t, "stat of "+name, err, calms.KindNotFound)
	}
}

func wrongNames(t *testing.T, b blob.Bucket) {
	for _, name := range []string{
		"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", ".hidden", "a/.b", "-a", "A", "a b", "a\\b", "a\x00", "ä", "a:b", strings.Repeat("a", 201),
	} {
		wantKind(t, fmt.Sprintf("put of %q", name), b.Put(t.Context(), name, nil), calms.KindInvalid)
		_, err := b.Get(t.Context(), name)
		wantKind(t, fmt.Sprintf("get of %q", name), err, calms.KindInvalid)
	}
	if infos, err := b.List(t.Context(), ""); err != nil || len(infos) != 0 {
		t.Errorf("refused puts left %v, %v", infos, err)
	}
}

func tooLarge(t *testing.T, b blob.Bucket) {
	wantKind(t, "an object above the limit", b.Put(t.Context(), "large", make([]byte, blob.MaxObject+1)), calms.KindInvalid)
}

func endedContext(t *testing.T, b blob.Bucket) {
	put(t, b, "there", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, get := b.Get(ctx, "there")
	_, stat := b.Stat(ctx, "there")
	_, list := b.List(ctx, "")
	for what, err := range map[string]error{"put": b.Put(ctx, "a", nil), "get": get, "stat": stat, "list": list} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s gives %v", what, err)
		}
	}
	if _, err := b.Stat(t.Context(), "a"); calms.KindOf(err) != calms.KindNotFound {
		t.Errorf("a cancelled put left %v", err)
	}
}
