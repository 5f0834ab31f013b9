package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"penstock/internal/limit"
)

// gauges are what is read when somebody looks, not counted on the path.
type gauges struct {
	a                                                             *App
	journal, max, lost, booked, failed, memory, down, behind, key *prometheus.Desc
	exports                                                       *prometheus.Desc
	shared                                                        []sharedGauge
}

func (a *App) gauges() prometheus.Collector {
	d := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &gauges{
		a: a, journal: d("penstock_journal_bytes", "Bytes of the spend journal that are not booked and removed yet."),
		max:    d("penstock_journal_max_bytes", "Bytes at which the journal is full and calls are refused."),
		lost:   d("penstock_journal_damaged_bytes_total", "Bytes of the spend journal that the disk has lost: the calls in them are not booked."),
		memory: d("penstock_unbooked_in_memory", "Calls whose spend is neither in the journal nor in the database yet, because neither took it."),
		behind: d("penstock_booking_down_seconds", "How long the database has refused to book, 0 if it does not."),
		booked: d("penstock_booked_total", "Rows booked in the database."), failed: d("penstock_booking_failures_total", "Tries to book that the database refused."),
		exports: prometheus.NewDesc("penstock_export_records", "Records of a logging destination: queued now, and sent, dropped and failed tries so far.", []string{"destination", "state"}, nil),
		shared:  sharedGauges(d),
		down:    d("penstock_booking_down", "1 if the last try to book failed."), key: d("penstock_keys", "Virtual keys known."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.journal, g.max, g.lost, g.booked, g.failed, g.memory, g.down, g.behind, g.key, g.exports} {
		ch <- d
	}
	for _, m := range g.shared {
		ch <- m.d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	s := g.a.booker.Stats()
	down := 0.0
	if s.Down > 0 {
		down = 1
	}
	for _, m := range []struct {
		d *prometheus.Desc
		t prometheus.ValueType
		v float64
	}{
		{g.journal, prometheus.GaugeValue, float64(g.a.journal.Size())},
		{g.max, prometheus.GaugeValue, float64(g.a.journal.Max())},
		{g.booked, prometheus.CounterValue, float64(s.Booked)},
		{g.failed, prometheus.CounterValue, float64(s.Failed)},
		{g.down, prometheus.GaugeValue, down},
		{g.behind, prometheus.GaugeValue, s.Down.Seconds()},
		{g.memory, prometheus.GaugeValue, float64(s.Memory)},
		{g.lost, prometheus.CounterValue, float64(g.a.journal.Lost())},
		{g.key, prometheus.GaugeValue, float64(g.a.directory.Keys())},
	} {
		ch <- prometheus.MustNewConstMetric(m.d, m.t, m.v)
	}
	if leases := g.a.sharing.leases; leases != nil {
		s := leases.Stats()
		for _, m := range g.shared {
			ch <- prometheus.MustNewConstMetric(m.d, m.t, m.v(&s))
		}
	}
	for _, s := range g.a.exports.stats() {
		for state, n := range map[string]int64{"queued": s.Queued, "sent": s.Sent, "dropped": s.Dropped, "failed_tries": s.Failed} {
			ch <- prometheus.MustNewConstMetric(g.exports, prometheus.GaugeValue, float64(n), s.Name, state)
		}
	}
}

// sharedGauge is how one metric of shared limits is read.
type sharedGauge struct {
	d *prometheus.Desc
	t prometheus.ValueType
	v func(*limit.LeaseStats) float64
}

func sharedGauges(d func(name, help string) *prometheus.Desc) []sharedGauge {
	return []sharedGauge{
		{d("penstock_limit_store_up", "1 if the store that shares limits answers; 0 while on_store_failure decides."), prometheus.GaugeValue, func(s *limit.LeaseStats) float64 {
			if s.Down {
				return 0
			}
			return 1
		}},
		{d("penstock_limit_store_outages_total", "How often the store that shares limits stopped to answer."), prometheus.CounterValue, func(s *limit.LeaseStats) float64 { return float64(s.Outages) }},
		{d("penstock_limit_store_asks_total", "Asks for leases sent to the store that shares limits."), prometheus.CounterValue, func(s *limit.LeaseStats) float64 { return float64(s.Asks) }},
		{d("penstock_limit_store_failures_total", "Tries that the store that shares limits did not answer in time."), prometheus.CounterValue, func(s *limit.LeaseStats) float64 { return float64(s.Failures) }},
		{d("penstock_limit_store_waits_total", "Calls that waited for the store that shares limits."), prometheus.CounterValue, func(s *limit.LeaseStats) float64 { return float64(s.Waits) }},
		{d("penstock_limit_store_longest_wait_seconds", "The longest of these waits since the start."), prometheus.GaugeValue, func(s *limit.LeaseStats) float64 { return s.Longest.Seconds() }},
		{d("penstock_limit_leases", "Amounts of which this process holds a lease or has lately."), prometheus.GaugeValue, func(s *limit.LeaseStats) float64 { return float64(s.Leases) }},
		{d("penstock_limit_replicas", "Processes that share limits, with this one."), prometheus.GaugeValue, func(s *limit.LeaseStats) float64 { return float64(s.Replicas) }},
	}
}
