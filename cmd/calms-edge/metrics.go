package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics tells Prometheus what status tells people.
type metrics struct{ edge *edge }

// The metrics of an edge.
var (
	connectedDesc = prometheus.NewDesc("calms_edge_uplink_talking", "1 while the cloud answers, else 0.", nil, nil)
	storedDesc    = prometheus.NewDesc("calms_edge_samples_stored_total", "Samples that were put into the journal.", nil, nil)
	pendingDesc   = prometheus.NewDesc("calms_edge_samples_pending", "Samples that wait in memory.", nil, nil)
	droppedDesc   = prometheus.NewDesc("calms_edge_samples_dropped_total", "Samples that were lost because they could not be stored.", nil, nil)
	waitingDesc   = prometheus.NewDesc("calms_edge_journal_waiting_entries", "Entries that the cloud does not have.", nil, nil)
	bytesDesc     = prometheus.NewDesc("calms_edge_journal_bytes", "Size of what the journal holds.", nil, nil)
	expiryDesc    = prometheus.NewDesc("calms_edge_certificate_expiry_seconds", "End of the certificate, seconds since 1970.", nil, nil)
	alarmsDesc    = prometheus.NewDesc("calms_edge_alarms", "Active alarms.", nil, nil)
	readsDesc     = prometheus.NewDesc("calms_edge_reads_total", "Questions to an instrument.", []string{"instrument"}, nil)
	badDesc       = prometheus.NewDesc("calms_edge_bad_samples_total", "Bad samples by reason.", []string{"instrument", "reason"}, nil)
)

// Describe is for Prometheus.
func (metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectedDesc, storedDesc, pendingDesc, droppedDesc, waitingDesc, bytesDesc, expiryDesc, alarmsDesc, readsDesc, badDesc} {
		ch <- d
	}
}

// Collect is for Prometheus.
func (m metrics) Collect(ch chan<- prometheus.Metric) {
	s := m.edge.status(context.Background())
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	talking := 0.0
	if s.Uplink.Talking {
		talking = 1
	}
	gauge(connectedDesc, talking)
	gauge(pendingDesc, float64(s.Samples.Pending))
	gauge(waitingDesc, float64(s.Journal.Waiting))
	gauge(bytesDesc, float64(s.Journal.Bytes))
	gauge(expiryDesc, float64(s.Certificate.NotAfter.Unix()))
	gauge(alarmsDesc, float64(len(s.Alarms)))
	count(storedDesc, s.Samples.Stored)
	count(droppedDesc, s.Samples.Dropped)
	for _, in := range s.Instruments {
		count(readsDesc, in.Reads, in.Name)
		for reason, n := range in.Failures {
			count(badDesc, n, in.Name, reason)
		}
	}
}
