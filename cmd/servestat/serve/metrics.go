package serve

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the server's own figures. None has a tenant: who may read them need
// not know who there is.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	uploads  *prometheus.CounterVec
	bytes    prometheus.Counter
	ingest   prometheus.Histogram
	sessions prometheus.Counter
	analyses *prometheus.CounterVec
	failures prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "servestat_http_request_duration_seconds", Help: "How long requests took, from their header to the end of the answer.",
			Buckets: []float64{.005, .02, .1, .5, 2, 10, 60, 300},
		}, []string{"route", "code"}),
		uploads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "servestat_uploads_total", Help: "Uploads, from requests and from events, by what became of them.",
		}, []string{"outcome"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{Name: "servestat_upload_bytes_total", Help: "Bytes of uploads that came in whole."}),
		ingest: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "servestat_ingest_duration_seconds", Help: "How long it took to take an upload into its lake, once its batch had begun.",
			Buckets: []float64{.02, .1, .5, 2, 10, 60, 300},
		}),
		sessions: prometheus.NewCounter(prometheus.CounterOpts{Name: "servestat_lake_sessions_total", Help: "Sessions of lakes, each of a batch of uploads."}),
		analyses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "servestat_analysis_units_total", Help: "Units of analysis that were looked at after uploads: computed, or reused because their runs had not changed.",
		}, []string{"outcome"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "servestat_analysis_failures_total", Help: "Analyses that failed, and are tried again after the next upload."}),
	}
	for _, outcome := range []string{ingested, known, quarantined} {
		m.uploads.WithLabelValues(outcome)
	}
	m.registry.MustRegister(m.requests, m.uploads, m.bytes, m.ingest, m.sessions, m.analyses, m.failures,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch adds what is read off the server when it is asked for.
func (m *metrics) watch(s *Server) {
	gauge := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
	gauge("servestat_uploads_in_flight", "Uploads on their way in.", func() float64 { return float64(s.slots.inUse()) })
	gauge("servestat_uploads_waiting", "Uploads that are whole and wait for their batch.", func() float64 { return float64(s.intake.depth()) })
	gauge("servestat_spool_bytes", "Disk that uploads on their way in take.", func() float64 { return float64(s.room.used.Load()) })
	gauge("servestat_queries_in_flight", "Statements and reports that are being answered.", func() float64 { return float64(s.queries.inUse()) })
}

func (s *Server) ownMetrics(c *call) error {
	promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}).ServeHTTP(c.ResponseWriter, c.Request)
	return nil
}

func (s *Server) healthy(c *call) error {
	c.send(http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
	return nil
}

// ready says whether uploads would be taken: the server is not stopping, and the
// lake is there, or can be.
func (s *Server) ready(c *call) error {
	if s.stopped() {
		return busy(http.StatusServiceUnavailable, "the server is stopping")
	}
	if s.cfg.Guard == nil || !s.cfg.Guard.Tenancy() {
		if _, err := s.cfg.Lakes.Create(""); err != nil {
			p := busy(http.StatusServiceUnavailable, "the lake cannot be opened")
			p.why = err.Error()
			return p
		}
	}
	return s.healthy(c)
}
