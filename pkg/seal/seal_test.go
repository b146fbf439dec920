package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/wire"
)

const device = calms.DeviceID("d-aaaaaaaaaaaaaaaa")

func journal() wire.JournalID { return wire.JournalID{Device: device, Generation: 1} }

func rsaKey(t testing.TB) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificate(t testing.TB, key crypto.Signer) tls.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: string(device)}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

type world struct {
	ingest *rsa.PrivateKey
	owner  calms.DeviceID
}

func (w world) opener() Opener {
	return Opener{
		Key: func(id string) (*rsa.PrivateKey, error) {
			if id != "k1" {
				return nil, calms.Errorf(calms.KindNotFound, "no ingest key %q", id)
			}
			return w.ingest, nil
		},
		Verify: func([]*x509.Certificate) (calms.DeviceID, error) { return w.owner, nil },
	}
}

func setup(t testing.TB, key crypto.Signer) (world, *Session, *Session) {
	w := world{ingest: rsaKey(t), owner: device}
	edge, err := New(journal(), IngestKey{"k1", &w.ingest.PublicKey}, certificate(t, key))
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := w.opener().Open(device, edge.Object())
	if err != nil {
		t.Fatal(err)
	}
	return w, edge, cloud
}

func TestWhatTheEdgeSealsOnlyTheCloudOpens(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"rsa": rsaKey(t), "p256": p256} {
		t.Run(name, func(t *testing.T) {
			_, edge, cloud := setup(t, key)
			secret := []byte("23.5 m³/h")
			e := edge.SealEntry(wire.Header{Number: 1, Kind: wire.KindBatch, Total: 1}, secret)
			if bytes.Contains(wire.Encode(e), secret) {
				t.Error("the plaintext stands in the entry")
			}
			if got, err := cloud.OpenEntry(e); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("opened %q, %v", got, err)
			}
			channels := []wire.Channel{{Name: "flow", Unit: "m³/h"}}
			object, err := wire.DecodeChannels(edge.SealChannels(channels))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := cloud.OpenChannels(object); err != nil || len(got) != 1 || got[0] != channels[0] {
				t.Errorf("channels came back as %v, %v", got, err)
			}
			gap := edge.SealGap(wire.GapHeader{Journal: journal(), First: 1, Last: 2}, wire.GapDetail{Reason: "evicted"})
			if got, err := cloud.OpenGap(gap); err != nil || got.Reason != "evicted" {
				t.Errorf("gap came back as %v, %v", got, err)
			}
		})
	}
}

func TestNothingCanBeMovedOrChanged(t *testing.T) {
	_, edge, cloud := setup(t, rsaKey(t))
	e := edge.SealEntry(wire.Header{Number: 5, Kind: wire.KindBatch, Total: 9, Objects: []wire.Hash{{1}}}, []byte("x"))
	for name, change := range map[string]func(*wire.Entry){
		"number": func(e *wire.Entry) { e.Number++ },
		"kind":   func(e *wire.Entry) { e.Kind = wire.KindAnchor },
		"prev":   func(e *wire.Entry) { e.Prev[3]++ },
		"total":  func(e *wire.Entry) { e.Total++ },
		"object": func(e *wire.Entry) { e.Objects = []wire.Hash{{2}} },
		"sealed": func(e *wire.Entry) { e.Sealed = append([]byte{}, e.Sealed...); e.Sealed[20] ^= 1 },
		"cut":    func(e *wire.Entry) { e.Sealed = e.Sealed[:5] },
	} {
		changed := e
		change(&changed)
		if _, err := cloud.OpenEntry(changed); calms.KindOf(err) != calms.KindForbidden {
			t.Errorf("an entry with another %s gives %v", name, err)
		}
	}
	gap := edge.SealGap(wire.GapHeader{Journal: journal(), First: 1, Last: 2}, wire.GapDetail{})
	gap.Last++
	if _, err := cloud.OpenGap(gap); err == nil {
		t.Error("a longer gap was accepted")
	}
	gap = edge.SealGap(wire.GapHeader{Journal: wire.JournalID{Device: "d-bbbbbbbbbbbbbbbb"}, First: 1, Last: 2}, wire.GapDetail{})
	if _, err := cloud.OpenGap(gap); err == nil {
		t.Error("a gap in another device's journal was accepted")
	}
}

func TestMACsHaveADirection(t *testing.T) {
	_, edge, cloud := setup(t, rsaKey(t))
	body := []byte("body")
	if !cloud.VerifyUp(body, edge.MACUp(body)) || !edge.VerifyDown(body, cloud.MACDown(body)) {
		t.Error("an honest MAC was refused")
	}
	if cloud.VerifyUp(body, cloud.MACDown(body)) || edge.VerifyDown([]byte("other"), cloud.MACDown(body)) || edge.VerifyDown(body, nil) {
		t.Error("a wrong MAC was accepted")
	}
}

func TestSessionsOfOthersAreRefused(t *testing.T) {
	w, edge, _ := setup(t, rsaKey(t))
	other := calms.DeviceID("d-bbbbbbbbbbbbbbbb")
	if _, err := w.opener().Open(other, edge.Object()); calms.KindOf(err) != calms.KindForbidden {
		t.Errorf("another device's session gives %v", err)
	}
	thief := w
	thief.owner = other
	if _, err := thief.opener().Open(device, edge.Object()); calms.KindOf(err) != calms.KindForbidden {
		t.Errorf("a session with another's certificate gives %v", err)
	}
	rotated := world{ingest: rsaKey(t), owner: device}
	if _, err := rotated.opener().Open(device, edge.Object()); calms.KindOf(err) != calms.KindInvalid {
		t.Errorf("another ingest key gives %v", err)
	}
	object, err := wire.DecodeSession(edge.Object())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*wire.SessionObject){
		"journal":   func(o *wire.SessionObject) { o.Journal.Generation++ },
		"wrapped":   func(o *wire.SessionObject) { o.Wrapped[0] ^= 1 },
		"signature": func(o *wire.SessionObject) { o.Signature[9] ^= 1 },
		"chain":     func(o *wire.SessionObject) { o.Chain = nil },
		"key id":    func(o *wire.SessionObject) { o.IngestKey = "k2" },
	} {
		changed := object
		changed.Wrapped, changed.Signature = bytes.Clone(object.Wrapped), bytes.Clone(object.Signature)
		change(&changed)
		if _, err := w.opener().Open(device, wire.Encode(changed)); err == nil {
			t.Errorf("a session with another %s was accepted", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	w, edge, _ := setup(f, rsaKey(f))
	f.Add(edge.Object())
	f.Fuzz(func(t *testing.T, data []byte) {
		// CBOR can be spelled in several ways; what it says must be the signed object.
		if s, err := w.opener().Open(device, data); err == nil && s.Journal() != edge.Journal() {
			t.Error("another object was accepted")
		}
	})
}

func TestIngestKeyMustBeStrong(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	weak, err := x509.MarshalPKIXPublicKey(&p256.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, der := range [][]byte{nil, []byte("x"), weak} {
		if _, err := ParseIngestKey(wire.IngestKey{ID: "k", PublicKey: der}); calms.KindOf(err) != calms.KindInvalid {
			t.Errorf("%x gives %v", der, err)
		}
	}
}
