package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/gateway"
	"penstock/internal/health"
	"penstock/internal/store"
)

func healthChecks(t *testing.T, db *store.DB) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	well := health.Result{Deployment: "d", Group: "g", Provider: "openai", Model: "m", OK: true, At: at, Took: 3 * time.Millisecond, CallID: "c1", By: health.Background}
	ill := health.Result{
		Deployment: "d", Group: "g", Provider: "openai", Model: "m", Kind: gateway.UpstreamAuth, Status: 401,
		Error: "no\x00 key", At: at.Add(time.Minute), CallID: "c2", By: "alice",
	}
	other := health.Result{Deployment: "e", Group: "h", Unknown: "no check", At: at.Add(time.Second)}
	old := well
	old.At = at.Add(-31 * 24 * time.Hour)
	for _, c := range []struct {
		r       health.Result
		history bool
	}{{old, true}, {ill, true}, {well, true}, {other, false}, {ill, true}} {
		if err := db.SaveHealth(t.Context(), &c.r, c.history); err != nil {
			t.Fatal(err)
		}
	}
	ill.Error = "no\uFFFD key"
	got, err := db.Health(t.Context(), at)
	if diff := cmp.Diff([]health.Result{ill, other}, got); err != nil || diff != "" {
		t.Errorf("the last results (%v):\n%s", err, diff)
	}
	if got, err := db.Health(t.Context(), at.Add(2*time.Second)); err != nil || len(got) != 1 {
		t.Errorf("results since then: %v, %v, want one", got, err)
	}
	hist, n, err := db.HealthHistory(t.Context(), store.HealthFilter{})
	if diff := cmp.Diff([]health.Result{ill, well}, hist); err != nil || n != 2 || diff != "" {
		t.Errorf("history: %d, %v; want 2 without the one that is too old\n%s", n, err, diff)
	}
	for about, f := range map[string]store.HealthFilter{
		"status": {Status: "healthy"}, "time": {From: at, To: at.Add(time.Second)}, "page": {Limit: 1, Offset: 1},
	} {
		if hist, _, err := db.HealthHistory(t.Context(), f); err != nil || len(hist) != 1 || !hist[0].OK {
			t.Errorf("filtered by %s: %v, %v; want the one check that was well", about, hist, err)
		}
	}
	if hist, n, err := db.HealthHistory(t.Context(), store.HealthFilter{Deployment: "nobody"}); err != nil || n != 0 || len(hist) != 0 {
		t.Errorf("of nobody: %v, %d, %v", hist, n, err)
	}
}
