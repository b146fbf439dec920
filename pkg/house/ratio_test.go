package house

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	mrand "math/rand/v2"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/batch"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/history"
	"go.calms.com/calms/pkg/edge/journal"
	"go.calms.com/calms/pkg/replica"
	"go.calms.com/calms/pkg/seal"
	"go.calms.com/calms/pkg/store"
	"go.calms.com/calms/pkg/wire"
)

// The benchmarks here print ratios against a baseline that runs beside them, on
// the same disk in the same second: absolute times say more of the machine.

const benchDevice = calms.DeviceID("d-aaaaaaaaaaaaaaaa")

var benchChannels = []wire.Channel{
	{Name: "flow", Unit: "m³/h"}, {Name: "total", Unit: "m³"}, {Name: "temperature", Unit: "°C"}, {Name: "pressure", Unit: "bar"},
}

// measured is n samples each of a flow meter's four values, a second apart: a
// wandering flow, its counter, and two values that change now and then, in the
// steps in which such instruments report.
func measured(n int, start int64) batch.Batch {
	noise := mrand.New(mrand.NewPCG(uint64(start), 1))
	steps := [][2]float64{{400, 0.1}, {128_000, 1}, {24, 0.1}, {7.2, 0.01}}
	b := batch.Batch{Boot: [16]byte{1}}
	for channel, s := range steps {
		c := batch.Column{Channel: channel}
		ticks := int64(s[0] / s[1])
		for i := range n {
			switch channel {
			case 0:
				ticks += noise.Int64N(41) - 20
			case 1:
				ticks += noise.Int64N(2)
			default:
				if noise.IntN(10) == 0 {
					ticks += noise.Int64N(3) - 1
				}
			}
			c.Times = append(c.Times, start+int64(i)*int64(time.Second))
			c.Values = append(c.Values, float64(ticks)*s[1])
			c.Qualities = append(c.Qualities, calms.Good)
		}
		b.Columns = append(b.Columns, c)
	}
	return b
}

// asJSON is the same samples as the API writes them, a line each.
func asJSON(b *testing.B, samples batch.Batch) (size int) {
	for _, c := range samples.Columns {
		for i, at := range c.Times {
			line, err := json.Marshal(api.Sample{
				Channel: "acme/ljubljana/comp-3/" + benchChannels[c.Channel].Name, Time: time.Unix(0, at).UTC(),
				Value: &c.Values[i], Quality: c.Qualities[i].String(),
			})
			if err != nil {
				b.Fatal(err)
			}
			size += len(line) + 1
		}
	}
	return size
}

func newCodec(b *testing.B) *batch.Codec {
	b.Helper()
	codec, err := batch.NewCodec()
	if err != nil {
		b.Fatal(err)
	}
	return codec
}

// BenchmarkBatchBytes compares the bytes of an encoded batch with those of JSON.
func BenchmarkBatchBytes(b *testing.B) {
	for _, n := range []int{10, 60} {
		b.Run(fmt.Sprintf("%ds", n), func(b *testing.B) {
			codec := newCodec(b)
			var encoded, text, samples int
			for i := 0; b.Loop(); i++ {
				m := measured(n, int64(i)*int64(time.Hour))
				data, err := codec.Encode(m)
				if err != nil {
					b.Fatal(err)
				}
				encoded, text, samples = encoded+len(data), text+asJSON(b, m), samples+m.Samples()
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(encoded)/float64(samples), "B/sample")
			b.ReportMetric(float64(text)/float64(samples), "json-B/sample")
			b.ReportMetric(float64(text)/float64(encoded), "×smaller")
		})
	}
}

// stopwatch adds up what two ways of doing the same take, in turns.
type stopwatch struct{ ours, baseline time.Duration }

func (s *stopwatch) measure(b *testing.B, ours, baseline func() error) {
	begin := time.Now()
	if err := ours(); err != nil {
		b.Fatal(err)
	}
	middle := time.Now()
	if err := baseline(); err != nil {
		b.Fatal(err)
	}
	s.ours += middle.Sub(begin)
	s.baseline += time.Since(middle)
}

// bare opens a database of one table, with the settings that all of ours have.
func bare(b *testing.B, schema string) *store.DB {
	b.Helper()
	db, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "bare.db"),
		fstest.MapFS{"migrations/00001_bare.sql": {Data: []byte("-- +goose Up\n" + schema + "\n")}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// databaseSize is what the pages in use take.
func databaseSize(b *testing.B, db *store.DB) (n int64) {
	b.Helper()
	err := db.Read().QueryRowContext(b.Context(), `SELECT c.page_count * s.page_size FROM pragma_page_count c, pragma_page_size s`).Scan(&n)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkHistoryCommit compares committing batches and their cursor with a
// row per sample: time and bytes of one transaction per message.
func BenchmarkHistoryCommit(b *testing.B) {
	const perMessage, perBatch = 10, 10
	h, err := history.Open(b.Context(), filepath.Join(b.TempDir(), "history.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	rows := bare(b, `CREATE TABLE samples (device TEXT, channel TEXT, time BIGINT, value DOUBLE PRECISION, quality BIGINT,
		PRIMARY KEY (device, channel, time)) WITHOUT ROWID;`)
	codec, id := newCodec(b), wire.JournalID{Device: benchDevice, Generation: 1}
	var watch stopwatch
	var last replica.Step
	samples := 0
	for b.Loop() {
		var steps []replica.Step
		for range perMessage {
			m := measured(perBatch, int64(last.Number)*perBatch*int64(time.Second))
			content, err := codec.Encode(m)
			if err != nil {
				b.Fatal(err)
			}
			next := replica.Step{Number: last.Number + 1, Prev: last.Hash, Total: last.Total + uint64(m.Samples()), Kind: wire.KindBatch,
				Content: content, Batch: &m, Channels: benchChannels}
			next.Hash = wire.ObjectName(append(content, byte(next.Number), byte(next.Number>>8), byte(next.Number>>16)))
			steps, last, samples = append(steps, next), next, samples+m.Samples()
		}
		watch.measure(b,
			func() error { _, err := h.Commit(b.Context(), id, steps, nil); return err },
			func() error {
				return rows.Update(b.Context(), func(tx store.Tx) error { return insertRows(b.Context(), tx, steps) })
			})
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(watch.ours.Nanoseconds())/float64(samples), "ns/sample")
	b.ReportMetric(watch.baseline.Seconds()/watch.ours.Seconds(), "×faster")
	b.ReportMetric(float64(databaseSize(b, h.DB()))/float64(samples), "B/sample")
	b.ReportMetric(float64(databaseSize(b, rows))/float64(databaseSize(b, h.DB())), "×smaller")
}

func insertRows(ctx context.Context, tx store.Tx, steps []replica.Step) error {
	for _, s := range steps {
		for _, c := range s.Batch.Columns {
			for i, at := range c.Times {
				if _, err := tx.ExecContext(ctx, `INSERT INTO samples (device, channel, time, value, quality) VALUES ($1, $2, $3, $4, $5)`,
					string(benchDevice), s.Channels[c.Channel].Name, at, c.Values[i], c.Qualities[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// BenchmarkJournalAppend compares sealing and appending an entry with one bare
// insert of as many bytes, each durable when it returns.
func BenchmarkJournalAppend(b *testing.B) {
	j, err := journal.Open(b.Context(), filepath.Join(b.TempDir(), "journal.db"), journal.Options{Device: benchDevice})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	session := newSession(b, j.Current())
	inserts := bare(b, `CREATE TABLE entries (number INTEGER PRIMARY KEY, entry BLOB NOT NULL);`)
	codec := newCodec(b)
	var watch stopwatch
	for n := int64(1); b.Loop(); n++ {
		m := measured(10, n*10*int64(time.Second))
		plaintext, err := codec.Encode(m)
		if err != nil {
			b.Fatal(err)
		}
		watch.measure(b,
			func() error {
				return j.Append(b.Context(), session, journal.Record{Kind: wire.KindBatch, Plaintext: plaintext, Samples: m.Samples()})
			},
			func() error {
				return inserts.Update(b.Context(), func(tx store.Tx) error {
					_, err := tx.ExecContext(b.Context(), `INSERT INTO entries (number, entry) VALUES ($1, $2)`, n, make([]byte, len(plaintext)+130))
					return err
				})
			})
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(watch.ours.Microseconds())/float64(b.N), "µs/append")
	b.ReportMetric(watch.ours.Seconds()/watch.baseline.Seconds(), "×bare-insert")
}

// newSession is a session of a device whose certificate nobody checks here.
func newSession(b *testing.B, id wire.JournalID) *seal.Session {
	b.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		b.Fatal(err)
	}
	session, err := seal.New(id, seal.IngestKey{ID: "ik-bench", Key: &key.PublicKey}, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	if err != nil {
		b.Fatal(err)
	}
	return session
}
