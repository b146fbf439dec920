package wire

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"go.calms.com/calms/pkg/calms"
)

const device = calms.DeviceID("d-aaaaaaaaaaaaaaaa")

func journal() JournalID { return JournalID{Device: device, Generation: 3, Random: [8]byte{1, 2, 3}} }

func entry() Entry {
	return Entry{
		Header: Header{Number: 7, Kind: KindBatch, Prev: Hash{1}, Total: 900, Session: Hash{2}, Objects: []Hash{{3}}},
		Sealed: []byte("sealed"),
	}
}

// messages holds one of everything that is encoded.
func messages() []any {
	return []any{
		&Entries{Journal: journal(), Attempt: 2, Entries: []Entry{entry(), entry()}},
		&Objects{Objects: [][]byte{{1}, {2, 3}}},
		&Gap{GapHeader: GapHeader{Journal: journal(), First: 2, Last: 9, LastHash: Hash{9}, Total: 5, Session: Hash{1}, Attempt: 1}, Sealed: []byte{1}},
		&GapDetail{From: 1, To: 2, Reason: "evicted"},
		&Hello{Body: []byte{1}, MAC: []byte{2}},
		&HelloBody{Registration: SignedRegistration{Body: []byte{1}, Signature: []byte{2}}, Session: []byte{3}, Journals: []Held{{Journal: journal(), First: 1, Last: 2}}},
		&Welcome{Body: []byte{1}, MAC: []byte{2}},
		&WelcomeBody{Cursors: []Position{{Journal: journal(), Number: 5}}, MaxGeneration: 3, IngestKeys: []IngestKey{{ID: "k", PublicKey: []byte{1}}}},
		&Cursor{Body: []byte{1}, MAC: []byte{2}},
		&CursorBody{Counter: 4, Position: Position{Journal: journal(), Number: 5, Hash: Hash{5}}, Rewind: true, Attempt: 3, Need: []Hash{{1}}},
		&Registration{Device: device, Organisation: "o", Path: "a/b/c", Shard: 4, Issued: 5},
		&SessionObject{Kind: ObjectSession, Journal: journal(), IngestKey: "k", Wrapped: []byte{1}, Chain: [][]byte{{1}}, Signature: []byte{2}},
		&ChannelsObject{Kind: ObjectChannels, Session: Hash{1}, Sealed: []byte{1}},
		&Channel{Name: "flow", Unit: "m³/h", Description: "x"},
		&Anchor{Boot: [16]byte{1}, Mono: 2, UTC: 3, Error: 4},
		&Config{Boot: [16]byte{1}, Mono: 2, Version: "v", Digest: Hash{1}, Reason: "first start"},
	}
}

func TestEverythingComesBack(t *testing.T) {
	for _, m := range messages() {
		data := Encode(m)
		got := reflect.New(reflect.TypeOf(m).Elem()).Interface()
		if err := Decode("message", data, got); err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		if !reflect.DeepEqual(m, got) {
			t.Errorf("%T came back as %+v, was %+v", m, got, m)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, m := range messages() {
		data := Encode(m)
		fresh := func() any { return reflect.New(reflect.TypeOf(m).Elem()).Interface() }
		newer := append([]byte{Version + 1}, data[1:]...)
		if err := Decode("hello", newer, fresh()); err == nil || !strings.Contains(err.Error(), "hello has version 2, this program reads up to 1") || calms.HintOf(err) == "" {
			t.Errorf("%T of a newer version gives %v", m, err)
		}
		for n := range data {
			if err := Decode("x", data[:n], fresh()); err == nil {
				t.Errorf("%T cut to %d of %d bytes was accepted", m, n, len(data))
			}
		}
		if err := Decode("x", append(bytes.Clone(data), 0), fresh()); err == nil {
			t.Errorf("%T with a trailing byte was accepted", m)
		}
		if err := Decode("x", append([]byte{0}, data[1:]...), fresh()); calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%T of version 0 gives %v", m, err)
		}
	}
}

// TestHashBindsEverything changes one thing after another: none may leave the
// hash or, where it stands outside the seal, the associated data as it was.
func TestHashBindsEverything(t *testing.T) {
	j, e := journal(), entry()
	changes := map[string]func(*JournalID, *Entry){
		"device":     func(j *JournalID, _ *Entry) { j.Device = "d-bbbbbbbbbbbbbbbb" },
		"generation": func(j *JournalID, _ *Entry) { j.Generation++ },
		"random":     func(j *JournalID, _ *Entry) { j.Random[7]++ },
		"number":     func(_ *JournalID, e *Entry) { e.Number++ },
		"kind":       func(_ *JournalID, e *Entry) { e.Kind++ },
		"prev":       func(_ *JournalID, e *Entry) { e.Prev[0]++ },
		"total":      func(_ *JournalID, e *Entry) { e.Total++ },
		"session":    func(_ *JournalID, e *Entry) { e.Session[0]++ },
		"objects":    func(_ *JournalID, e *Entry) { e.Objects = nil },
	}
	for name, change := range changes {
		j2, e2 := j, e
		change(&j2, &e2)
		if e2.Hash(j2) == e.Hash(j) {
			t.Errorf("the hash does not cover %s", name)
		}
		if bytes.Equal(e2.AssociatedData(j2), e.AssociatedData(j)) {
			t.Errorf("the associated data does not cover %s", name)
		}
	}
	e2 := e
	e2.Sealed = []byte("other")
	if e2.Hash(j) == e.Hash(j) {
		t.Error("the hash does not cover the sealed bytes")
	}
}

func TestTopics(t *testing.T) {
	up, down := UpTopic(7, device, StreamEntries), DownTopic(0, device, "+")
	if up != "calms/v1/7/d-aaaaaaaaaaaaaaaa/up/entries" || down != "calms/v1/0/d-aaaaaaaaaaaaaaaa/down/+" {
		t.Errorf("topics are %q and %q", up, down)
	}
	if got, err := ParseTopic(up); err != nil || got != (Topic{7, device, true, "entries"}) {
		t.Errorf("parsed %+v, %v", got, err)
	}
	for _, bad := range []string{"", "calms/v1/07/" + string(device) + "/up/x", "calms/v1/7/d-x/up/x", "calms/v2/7/" + string(device) + "/up/x",
		"calms/v1/7/" + string(device) + "/up/x/y", "calms/v1/7/" + string(device) + "/sideways/x", "calms/v1/-1/" + string(device) + "/up/x", "calms/v1/7/" + string(device) + "/up/"} {
		if _, err := ParseTopic(bad); err == nil {
			t.Errorf("ParseTopic accepted %q", bad)
		}
	}
}

func TestJournalNames(t *testing.T) {
	j := journal()
	if got, err := ParseJournalName(device, j.Name()); err != nil || got != j {
		t.Errorf("%q came back as %v, %v", j.Name(), got, err)
	}
	for _, bad := range []string{"", "3", "3-01", "03-0102030000000000", "3-0102030000000000x", "x-0102030000000000"} {
		if _, err := ParseJournalName(device, bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages() {
		f.Add(Encode(m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range messages() {
			fresh := reflect.New(reflect.TypeOf(m).Elem()).Interface()
			if Decode("x", data, fresh) == nil && !bytes.Equal(Encode(fresh), data) {
				// Only one spelling of a message exists, except for integers and
				// empty lists that CBOR lets one write longer.
				again := reflect.New(reflect.TypeOf(m).Elem()).Interface()
				if err := Decode("x", Encode(fresh), again); err != nil || !reflect.DeepEqual(fresh, again) {
					t.Errorf("%T is not stable", m)
				}
			}
		}
	})
}

func FuzzParseTopic(f *testing.F) {
	f.Add(UpTopic(7, device, StreamEntries))
	f.Fuzz(func(t *testing.T, s string) {
		topic, err := ParseTopic(s)
		if err != nil {
			return
		}
		back := DownTopic(topic.Shard, topic.Device, topic.Stream)
		if topic.Up {
			back = UpTopic(topic.Shard, topic.Device, topic.Stream)
		}
		if back != s {
			t.Errorf("%q came back as %q", s, back)
		}
	})
}
