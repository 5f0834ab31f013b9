package router_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

// BenchmarkPick measures routing of one call to a deployment that answers at
// once: looking its name up, picking, and writing down how it went.
func BenchmarkPick(b *testing.B) {
	for _, strategy := range []router.Strategy{router.SimpleShuffle, router.LeastBusy, router.UsageBasedV2, router.LatencyBased, router.CostBased} {
		for _, n := range []int{1, 100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", strategy, n), func(b *testing.B) {
				ds := make([]gateway.Deployment, n)
				for i := range ds {
					ds[i] = d(fmt.Sprint(i), weight(1+float64(i%3)))
				}
				facts := func(d *gateway.Deployment, _ string) router.Facts {
					return router.Facts{Cost: gateway.NanoUSD(len(d.ID)), Priced: true}
				}
				pick(b, router.New(ds, router.Settings{Strategy: strategy, Facts: facts}, nil), call("m"))
			})
		}
	}
}

// BenchmarkSticky is a call whose 64 KB prompt is known to one of ten deployments.
func BenchmarkSticky(b *testing.B) {
	ds := make([]gateway.Deployment, 10)
	for i := range ds {
		ds[i] = d(fmt.Sprint(i))
	}
	facts := func(*gateway.Deployment, string) router.Facts { return router.Facts{Caches: true} }
	c := call("m")
	c.Prompt[2] = make([]byte, 64<<10)
	pick(b, router.New(ds, router.Settings{Facts: facts}, nil), c)
}

// BenchmarkCooling is a group of a thousand of which one in ten is well.
func BenchmarkCooling(b *testing.B) {
	ds := make([]gateway.Deployment, 1000)
	for i := range ds {
		ds[i] = d(fmt.Sprint(i))
	}
	t := router.New(ds, router.Settings{}, nil)
	for i := range ds {
		if i%10 != 0 {
			t.SetHealth(fmt.Sprint(i), time.Now().Add(time.Hour))
		}
	}
	pick(b, t, call("m"))
}

func pick(b *testing.B, t *router.Table, c *gateway.Call) {
	var out router.Outcome
	clock := router.RealClock()
	try := func(context.Context, router.Target) (router.Seen, error) {
		return router.Seen{Output: 10, Tokens: 20}, nil
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := t.Route(c)
		if err == nil {
			err = r.Do(context.Background(), clock, &out, try)
		}
		if err != nil {
			b.Fatal(err)
		}
		out.Reset()
	}
}

// BenchmarkNew is a reload of ten thousand deployments in a thousand groups.
func BenchmarkNew(b *testing.B) {
	ds := make([]gateway.Deployment, 10_000)
	for i := range ds {
		ds[i] = d(fmt.Sprint(i), group(fmt.Sprint("g", i%1000)), weight(1))
	}
	t := router.New(ds, router.Settings{}, nil)
	b.ReportAllocs()
	for b.Loop() {
		t = router.New(ds, router.Settings{}, t)
	}
}

// BenchmarkWildcard is a name under one of a hundred wildcards.
func BenchmarkWildcard(b *testing.B) {
	ds := make([]gateway.Deployment, 100)
	for i := range ds {
		ds[i] = d(fmt.Sprint(i), group(fmt.Sprint("p", i, "/*")), upstream("openai", "*"))
	}
	pick(b, router.New(ds, router.Settings{}, nil), call("p77/some-model"))
}
