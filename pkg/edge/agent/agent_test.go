package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/wire"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// who is an identity with one ingest key at a time.
type who struct {
	certificate *tls.Certificate
	key         wire.IngestKey
}

func (w *who) Certificate() *tls.Certificate { return w.certificate }

func (w *who) IngestKey() (seal.IngestKey, error) { return seal.ParseIngestKey(w.key) }

func (w *who) Learn(keys []wire.IngestKey) error {
	w.key = keys[0]
	return nil
}

func ingestKey(t testing.TB, id string) wire.IngestKey {
	key, err := certs.NewKey(certs.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	return wire.IngestKey{ID: id, PublicKey: must[[]byte](t)(x509.MarshalPKIXPublicKey(key.Public()))}
}

func newWho(t testing.TB) *who {
	key, err := certs.NewKey(certs.P256)
	if err != nil {
		t.Fatal(err)
	}
	c := must[*x509.Certificate](t)(certs.NewRoot(key, "device", time.Now(), time.Hour))
	return &who{&tls.Certificate{Certificate: certs.DER(c), PrivateKey: key, Leaf: c}, ingestKey(t, "k1")}
}

// log is a journal in memory; broken and begin make an append go wrong.
type log struct {
	id      wire.JournalID
	entries []kept
	broken  error
	begin   bool // a new journal begins under the next append
}

type kept struct {
	Entry
	session *seal.Session
}

func (l *log) Current() wire.JournalID { return l.id }

func (l *log) Reason(context.Context) (string, error) { return "first start", nil }

func (l *log) Append(_ context.Context, s *seal.Session, e Entry) error {
	if l.begin {
		l.begin = false
		l.id.Generation++
	}
	if l.broken != nil {
		return l.broken
	}
	if s.Journal() != l.id {
		return errors.New("the session seals for another journal")
	}
	l.entries = append(l.entries, kept{Entry: e, session: s})
	return nil
}

func (l *log) kinds() (kinds []wire.EntryKind) {
	for _, e := range l.entries {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

type fixedClock struct {
	anchor wire.Anchor
	known  bool
}

func (fixedClock) Mono() int64                    { return 100 }
func (c *fixedClock) Boot() [16]byte              { return [16]byte{1} }
func (c *fixedClock) Anchor() (wire.Anchor, bool) { return c.anchor, c.known }

type fixture struct {
	*Recorder
	t     *testing.T
	dir   string
	log   *log
	clock *fixedClock
	who   *who
	woken int
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{
		t: t, dir: t.TempDir(), who: newWho(t), clock: &fixedClock{},
		log: &log{id: wire.JournalID{Device: "d-aaaaaaaaaaaaaaaa", Generation: 1}},
	}
	f.restart("v1")
	return f
}

// restart is a new process on the same notes.
func (f *fixture) restart(version string) {
	quiet := slog.New(slog.DiscardHandler)
	f.Recorder = NewRecorder(Config{
		Journal: f.log, Sessions: NewSessions(f.who, quiet), Clock: f.clock, Codec: must[*batch.Codec](f.t)(batch.NewCodec()),
		Channels: []wire.Channel{{Name: "flow", Unit: "m³/h"}}, Notes: must[*Notes](f.t)(OpenNotes(f.dir, quiet)),
		Version: version, Wake: func() { f.woken++ },
	})
}

func (f *fixture) record() error {
	return f.Record(f.t.Context(), batch.Batch{Columns: []batch.Column{{Times: []int64{10, 20}, Values: []float64{1, 2}, Qualities: []calms.Quality{0, 0}}}})
}

func (f *fixture) recorded() {
	f.t.Helper()
	if err := f.record(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) expect(want ...wire.EntryKind) {
	f.t.Helper()
	got := f.log.kinds()
	f.log.entries = nil
	if len(got) != len(want) {
		f.t.Fatalf("the journal got %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			f.t.Fatalf("the journal got %v, want %v", got, want)
		}
	}
}

func TestABatchIsSealedWithItsChannels(t *testing.T) {
	f := newFixture(t)
	f.clock.anchor, f.clock.known = wire.Anchor{Boot: [16]byte{1}, Mono: 100, UTC: 1100, Error: 5}, true
	f.recorded()
	e := f.log.entries[2]
	if e.Since != 1010 || e.Until != 1020 || e.Samples != 2 || f.woken != 1 {
		t.Errorf("entry is %+v, woken %d times", e.Entry, f.woken)
	}
	list := must[wire.ChannelsObject](t)(wire.DecodeChannels(e.Objects[0]))
	channels, err := e.session.OpenChannels(list)
	if err != nil || len(channels) != 1 || channels[0].Unit != "m³/h" {
		t.Errorf("channels %v, %v", channels, err)
	}
	b, err := f.config.Codec.Decode(e.Plaintext)
	if err != nil || b.Boot != ([16]byte{1}) || b.Columns[0].Values[1] != 2 {
		t.Errorf("batch %+v, %v", b, err)
	}
	var anchor wire.Anchor
	if err := wire.Decode("anchor", f.log.entries[1].Plaintext, &anchor); err != nil || anchor != f.clock.anchor {
		t.Errorf("anchor %+v, %v", anchor, err)
	}
	var c wire.Config
	if err := wire.Decode("config", f.log.entries[0].Plaintext, &c); err != nil || c.Reason != "first start" || c.Version != "v1" {
		t.Errorf("config %+v, %v", c, err)
	}
}

func TestOnlyWhatIsNewIsTold(t *testing.T) {
	f := newFixture(t)
	f.recorded()
	f.expect(wire.KindConfig, wire.KindBatch) // no time is known
	f.clock.anchor, f.clock.known = wire.Anchor{Mono: 1, UTC: 2, Error: 9}, true
	f.recorded()
	f.expect(wire.KindAnchor, wire.KindBatch)
	f.restart("v1")
	f.recorded()
	f.expect(wire.KindBatch)
	f.clock.anchor.Error = 3
	f.recorded()
	f.expect(wire.KindAnchor, wire.KindBatch)
	f.restart("v2")
	f.recorded()
	f.expect(wire.KindConfig, wire.KindBatch)
	f.log.id.Generation++
	f.recorded()
	f.expect(wire.KindConfig, wire.KindAnchor, wire.KindBatch)
}

func TestAJournalThatBeginsMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.log.begin = true
	f.recorded()
	f.expect(wire.KindConfig, wire.KindBatch)
}

func TestAFailedAppendIsTold(t *testing.T) {
	f := newFixture(t)
	f.log.broken = errors.New("the disk is full")
	if err := f.record(); err == nil || f.Status().LastError == "" || f.woken != 0 {
		t.Errorf("%v; status %+v", err, f.Status())
	}
	f.log.broken = nil
	f.recorded()
	f.expect(wire.KindConfig, wire.KindBatch)
	if s := f.Status(); s.LastError != "" || s.Batches != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestSessionsChangeWithJournalAndIngestKey(t *testing.T) {
	w := newWho(t)
	s := NewSessions(w, slog.New(slog.DiscardHandler))
	a := wire.JournalID{Device: "d-aaaaaaaaaaaaaaaa", Generation: 1}
	b := a
	b.Generation = 2
	session := must[*seal.Session](t)
	first := session(s.Session(a))
	if session(s.Session(a)) != first {
		t.Error("a new session although nothing changed")
	}
	s.Learn([]wire.IngestKey{ingestKey(t, "k2")})
	second := session(s.Session(a))
	if object := must[wire.SessionObject](t)(wire.DecodeSession(second.Object())); object.IngestKey != "k2" {
		t.Errorf("sealed to %q", object.IngestKey)
	}
	if third := session(s.Session(b)); third.Journal() != b {
		t.Errorf("session of %s", third.Journal())
	}
	s.ends = time.Now()
	if session(s.Session(b)).Name() == second.Name() {
		t.Error("a session outlived its hour")
	}
}

func TestGenerationsOutliveTheJournal(t *testing.T) {
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	n := must[*Notes](t)(OpenNotes(dir, quiet))
	for _, g := range []uint64{3, 2} {
		if err := n.Mark(g); err != nil {
			t.Fatal(err)
		}
	}
	if got := must[*Notes](t)(OpenNotes(dir, quiet)).Generation(); got != 3 {
		t.Errorf("generation %d", got)
	}
	file := filepath.Join(dir, generationName)
	if err := os.WriteFile(file, []byte(`{"version": 2, "generation": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenNotes(dir, quiet); calms.HintOf(err) == "" {
		t.Errorf("a newer version: %v", err)
	}
}

func TestAGenerationThatWasForgottenIsNotedAgain(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"broken":     func(file string) error { return os.WriteFile(file, []byte(`{"version": 1, "generation": 7`), 0o600) },
		"spoilt":     func(file string) error { return os.WriteFile(file, []byte(`{"version": 1, "genAration": 3}`), 0o600) },
		"gone":       os.Remove,
		"no file":    func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
		"empty file": func(file string) error { return os.Truncate(file, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			dir, loud := t.TempDir(), slog.New(slog.NewTextHandler(&log, nil))
			n := must[*Notes](t)(OpenNotes(dir, loud))
			if n.Forgot() {
				t.Error("a first start forgot something")
			}
			if err := n.Mark(3); err != nil {
				t.Fatal(err)
			}
			n.Tell(Told{Journal: "3-x"})
			n.Remember(3)
			if log.Len() > 0 {
				t.Errorf("log without need: %s", &log)
			}
			file := filepath.Join(dir, generationName)
			if err := spoil(file); err != nil {
				t.Fatal(err)
			}
			n = must[*Notes](t)(OpenNotes(dir, loud))
			if n.Generation() != 0 || !n.Forgot() || n.Told().Journal != "3-x" {
				t.Errorf("generation %d, forgot %v, told %+v", n.Generation(), n.Forgot(), n.Told())
			}
			if n.Remember(3); !strings.Contains(log.String(), "GENERATION") {
				t.Errorf("nobody was told: %s", &log)
			}
			if name == "no file" {
				return // it cannot be noted, which stops nobody
			}
			if again := must[*Notes](t)(OpenNotes(dir, loud)); again.Generation() != 3 || again.Forgot() {
				t.Errorf("noted again: %d, forgot %v", again.Generation(), again.Forgot())
			}
		})
	}
}
