package relay

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/internal/gateway"
)

// maxSeries bounds the label values that clients can choose. What comes after
// is counted under "other".
const maxSeries = 2000

// Metrics are the counters of the line. Handles are found once per model and
// provider, not once per call.
type Metrics struct {
	inFlight  prometheus.Gauge
	hedges    *prometheus.CounterVec
	overshoot prometheus.Counter
	// unjournaled counts calls whose spend was in memory only.
	unjournaled prometheus.Counter
	refused     *prometheus.CounterVec
	shadow      *prometheus.CounterVec
	soft        *prometheus.CounterVec
	calls       *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	first       *prometheus.HistogramVec
	tokens      *prometheus.CounterVec
	usd         *prometheus.CounterVec

	series sync.Map // seriesKey -> *series
	mu     sync.Mutex
	n      int // of series; guarded by mu
}

type seriesKey struct{ model, provider string }

// series are the handles of one model and provider.
type series struct {
	ok, failed     prometheus.Counter
	seconds, first prometheus.Observer
	in, out        prometheus.Counter
	usd            prometheus.Counter
}

var buckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600}

// NewMetrics registers the metrics at reg; nil is for tests.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	m := &Metrics{
		inFlight:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "penstock_calls_in_flight", Help: "Calls that have been admitted and not ended."}),
		overshoot:   prometheus.NewCounter(prometheus.CounterOpts{Name: "penstock_overshoot_usd_total", Help: "Dollars that calls cost beyond a budget, because a provider used more than the bound."}),
		unjournaled: prometheus.NewCounter(prometheus.CounterOpts{Name: "penstock_calls_unjournaled_total", Help: "Calls whose spend the journal could not take: it was in memory until it was booked."}),
		refused:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_calls_refused_total", Help: "Calls that were not admitted, by reason."}, []string{"reason"}),
		shadow:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_limits_shadow_refused_total", Help: "Calls that a limit in shadow mode would have refused."}, []string{"scope", "limit"}),
		soft:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_soft_budgets_reached_total", Help: "Soft budgets that were reached, once a window each."}, []string{"scope"}),
		calls:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_calls_total", Help: "Calls that were admitted and have ended."}, []string{"model", "provider", "outcome"}),
		seconds:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "penstock_call_seconds", Help: "Time from the request to the end of the answer.", Buckets: buckets}, []string{"model", "provider"}),
		first:       prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "penstock_first_byte_seconds", Help: "Time from the request to the first byte of the answer.", Buckets: buckets}, []string{"model", "provider"}),
		tokens:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_tokens_total", Help: "Tokens used."}, []string{"model", "provider", "direction"}),
		usd:         prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_spend_usd_total", Help: "Dollars spent."}, []string{"model", "provider"}),
	}
	m.hedges = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_hedges_total", Help: "Streams asked of a second deployment because the first was slow to begin, by whether the second won."}, []string{"outcome"})
	reg.MustRegister(m.hedges, m.inFlight, m.overshoot, m.unjournaled, m.refused, m.shadow, m.soft, m.calls, m.seconds, m.first, m.tokens, m.usd)
	return m
}

func (m *Metrics) of(model, provider string) *series {
	key := seriesKey{model, provider}
	if v, ok := m.series.Load(key); ok {
		return v.(*series)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.series.Load(key); ok {
		return v.(*series)
	}
	if m.n >= maxSeries && model != "other" {
		m.mu.Unlock()
		s := m.of("other", provider)
		m.mu.Lock()
		return s
	}
	m.n++
	s := &series{
		ok: m.calls.WithLabelValues(model, provider, "success"), failed: m.calls.WithLabelValues(model, provider, "failure"),
		seconds: m.seconds.WithLabelValues(model, provider), first: m.first.WithLabelValues(model, provider),
		in: m.tokens.WithLabelValues(model, provider, "input"), out: m.tokens.WithLabelValues(model, provider, "output"),
		usd: m.usd.WithLabelValues(model, provider),
	}
	m.series.Store(key, s)
	return s
}

func (m *Metrics) observe(l *line, e *gateway.Error, now time.Time) {
	if !l.settled {
		m.refused.WithLabelValues(e.Kind.String()).Inc()
		return
	}
	group := l.c.Group
	if l.c.Route == checkRoute {
		group = CheckTag // their times are not those of clients' calls
	}
	s := m.of(group, l.row.Provider)
	if e == nil {
		s.ok.Inc()
		s.seconds.Observe(now.Sub(l.c.Start).Seconds())
	} else {
		s.failed.Inc()
	}
	if !l.first.IsZero() {
		s.first.Observe(l.first.Sub(l.c.Start).Seconds())
	}
	s.in.Add(float64(l.row.Usage.Prompt))
	s.out.Add(float64(l.row.Usage.Completion))
	if l.row.Cost > 0 {
		s.usd.Add(float64(l.row.Cost) / 1e9)
	}
}
