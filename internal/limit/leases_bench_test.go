package limit_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
)

// What sharing costs a call at high limits: to be compared with
// BenchmarkReserveSettle. A round trip in the background is not in it.
func BenchmarkLeasedReserveSettle(b *testing.B) {
	for _, bm := range []struct {
		name string
		p    *gateway.Principal
	}{
		{"one limit", oneLimit(hash)}, {"a key with every limit", oneScope(hash)}, {"everybody with every limit", everybody(hash)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			leases := limit.NewLeases(limit.LeaseOptions{
				Shared: limittest.NewStore(time.Now), Ledger: &limittest.Ledger{}, Replica: "one", Log: slog.New(slog.DiscardHandler), Now: time.Now,
			})
			defer func() { _ = leases.Stop(context.WithoutCancel(b.Context())) }()
			l := limit.New(leases, time.Now)
			h := &limit.Hold{}
			b.ReportAllocs()
			for b.Loop() {
				if err := admit(l, h, bm.p, nil); err != nil {
					b.Fatal(err)
				}
				h.Recorded()
			}
			b.ReportMetric(float64(leases.Stats().Waits), "waits")
		})
	}
}
