package main

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics reads the services when somebody asks. What a target says of its
// readiness is counted by package daemon.
type metrics struct{ *cloud }

const scrapeTimeout = 5 * time.Second

// metric is one row of the table of metrics.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newMetric(kind prometheus.ValueType, name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("calms_"+name, help, labels, nil), kind}
}

func counter(name, help string) metric {
	return newMetric(prometheus.CounterValue, name, help)
}

func gauge(name, help string, labels ...string) metric {
	return newMetric(prometheus.GaugeValue, name, help, labels...)
}

func (m metric) send(ch chan<- prometheus.Metric, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

// Describe implements [prometheus.Collector]; it describes nothing, so the set
// may vary.
func (metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (m metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	gauge("build_info", "1; the labels say what runs.", "version", "go").send(ch, 1, self().VersionText(), runtime.Version())
	m.collectBroker(ch)
	m.collectIngest(ch)
	m.collectHistory(ctx, ch)
	m.collectBackup(ctx, ch)
	m.collectState(ch)
}

// total is a number that only grows while the program runs.
type total struct {
	name, help string
	value      uint64
}

func sendTotals(ch chan<- prometheus.Metric, totals []total) {
	for _, t := range totals {
		counter(t.name, t.help).send(ch, float64(t.value))
	}
}

func (m metrics) collectBroker(ch chan<- prometheus.Metric) {
	s := m.broker.Stats()
	gauge("broker_connections", "Open connections, handshakes included.").send(ch, float64(s.Connections))
	gauge("broker_sessions", "Connected devices.").send(ch, float64(s.Sessions))
	sendTotals(ch, []total{
		{"broker_refused_total", "Connections that got no session.", s.Refused},
		{"broker_disconnected_total", "Connections cut by a revocation.", s.Disconnected},
		{"broker_forbidden_total", "Publishes and subscriptions outside a device's topics.", s.Forbidden},
		{"broker_messages_up_total", "Messages taken from devices.", s.Up},
		{"broker_bytes_up_total", "Payload bytes of messages taken from devices.", s.UpBytes},
		{"broker_messages_failed_total", "Messages that could not be taken, and come again.", s.Failed},
		{"broker_messages_down_total", "Messages queued for devices.", s.Down},
		{"broker_messages_down_lost_total", "Messages dropped because a device did not read.", s.DownLost},
	})
}

func (m metrics) collectIngest(ch chan<- prometheus.Metric) {
	s := m.ingest.Counts()
	sendTotals(ch, []total{
		{"ingest_entries_total", "Journal entries stored.", s.Entries},
		{"ingest_samples_total", "Samples stored.", s.Samples},
		{"ingest_duplicates_total", "Entries that were stored already.", s.Duplicates},
		{"ingest_gaps_total", "Gaps stored.", s.Gaps},
		{"ingest_lost_samples_total", "Samples in gaps.", s.Lost},
		{"ingest_quarantines_total", "Journals quarantined because they forked.", s.Forks},
		{"ingest_dropped_total", "Messages that were malformed or forged.", s.Dropped},
		{"ingest_refused_total", "Messages of revoked devices.", s.Refused},
	})
}

func (m metrics) collectHistory(ctx context.Context, ch chan<- prometheus.Metric) {
	bytes, samples, err := m.history.Size(ctx)
	if err != nil {
		m.log.Warn("metrics of the history", "error", err)
		return
	}
	gauge("history_bytes", "Size of the history's database.").send(ch, float64(bytes))
	gauge("history_samples", "Samples in the history.").send(ch, float64(samples))
	counter("history_tail_missed_total", "Commits that slow readers of a tail missed.").send(ch, float64(m.history.Missed()))
}

func (m metrics) collectBackup(ctx context.Context, ch chan<- prometheus.Metric) {
	status, err := m.backup.Status(ctx)
	if err != nil {
		m.log.Warn("metrics of the backup", "error", err)
		return
	}
	gauge("backup_pending_facts", "Revocations and burnt tickets that the repository does not hold yet.").send(ch, float64(status.PendingFacts))
	if status.Newest != nil {
		gauge("backup_age_seconds", "Age of the newest complete snapshot.").send(ch, time.Since(status.Newest.Time).Seconds())
	}
}

func (m metrics) collectState(ch chan<- prometheus.Metric) {
	for name, status := range m.renewals() {
		gauge("certificate_expiry_timestamp_seconds", "When the certificate of a listener ends.", "listener").send(ch, float64(status.NotAfter.Unix()), name)
	}
	alarms := map[[2]string]int{}
	for _, a := range m.board.Active() {
		alarms[[2]string{a.Kind, a.Severity}]++
	}
	for labels, n := range alarms {
		gauge("alarms", "Active alarms.", "kind", "severity").send(ch, float64(n), labels[0], labels[1])
	}
}
