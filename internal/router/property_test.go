package router_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

// Whatever the fallbacks, orders, retries and failures: a call ends, within
// the bounds on attempts and time, asks no group twice and nobody after an
// answer, gives back every place, and says why.
func TestEveryCallEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "groups")
		name := func(i int) string { return fmt.Sprint("g", i) }
		names := rapid.Custom(func(t *rapid.T) string { return name(rapid.IntRange(0, n).Draw(t, "group")) }) // one that nobody serves
		lists := rapid.SliceOfN(names, 0, 6)
		graph := rapid.MapOfN(rapid.OneOf(names, rapid.Just("*")), lists, 0, 12)
		var ds []gateway.Deployment
		for i := range n {
			for j := range rapid.IntRange(1, 4).Draw(t, "deployments") {
				ds = append(ds, d(fmt.Sprint(name(i), "-", j), group(name(i)), order(rapid.IntRange(0, 2).Draw(t, "order"))))
			}
		}
		policy := rapid.MapOfN(rapid.SampledFrom([]string{"RateLimitError", "BadRequestError", "InternalServerError", "Default"}), rapid.IntRange(0, 100), 0, 3)
		s := router.Settings{
			Retries: rapid.IntRange(0, 100).Draw(t, "retries"), RetryPolicy: policy.Draw(t, "policy"),
			Fallbacks: graph.Draw(t, "fallbacks"), ContextWindow: graph.Draw(t, "context window"), ContentPolicy: graph.Draw(t, "content policy"),
			DefaultFallbacks: lists.Draw(t, "default"), MaxFallback: rapid.IntRange(0, 50).Draw(t, "max"),
			Aliases:  map[string]router.Alias{"alias": {Group: name(0)}},
			Cooldown: time.Duration(rapid.IntRange(0, 600).Draw(t, "cooldown")) * time.Second,
			Strategy: rapid.SampledFrom([]router.Strategy{router.SimpleShuffle, router.LeastBusy, router.LatencyBased}).Draw(t, "strategy"),
		}
		b := newBench(nil, s, ds...)
		b.takes = time.Duration(rapid.IntRange(0, 300).Draw(t, "takes")) * time.Second
		kinds := []struct {
			kind   gateway.Kind
			status int
		}{{gateway.UpstreamFailed, 500}, {gateway.UpstreamLimited, 429}, {gateway.ContextWindow, 400}, {gateway.ContentPolicy, 400}, {gateway.UpstreamAuth, 401}, {gateway.UpstreamRefused, 409}}
		good := map[string]bool{}
		for i := range ds {
			if rapid.IntRange(0, 4).Draw(t, "good") == 0 {
				good[ds[i].ID] = true
				continue
			}
			k := rapid.SampledFrom(kinds).Draw(t, "failure")
			b.fails(k.kind, k.status, ds[i].ID)
		}
		for range 3 {
			c := call(name(0))
			if rapid.Bool().Draw(t, "own") {
				c.Fallbacks = lists.Draw(t, "the client's")
			}
			start := b.now
			asked, out, err := b.do(c)
			if len(asked) > 64 || len(out.Attempts) != len(asked) {
				t.Fatalf("%d attempts, %d written down", len(asked), len(out.Attempts))
			}
			if took := b.now.Sub(start); took > 10*time.Minute+b.takes+time.Minute {
				t.Fatalf("took %v", took)
			}
			answered := false
			picked := 0
			for i, id := range asked {
				if good[id] {
					answered = true
					if i != len(asked)-1 {
						t.Fatalf("asked %v, although %s has answered", asked, id)
					}
				}
			}
			for _, p := range out.Why.Picks {
				if p.Deployment != "" {
					picked++
				}
			}
			if answered != (err == nil) {
				t.Fatalf("asked %v, good %v, but %v", asked, good, err)
			}
			if picked != len(asked) {
				t.Fatalf("%d picks for %d attempts", picked, len(asked))
			}
			seen := map[string]int{}
			for i, a := range out.Attempts {
				if last, ok := seen[a.Group]; ok && last != i-1 {
					t.Fatalf("%s was asked twice: %+v", a.Group, out.Attempts)
				}
				seen[a.Group] = i
			}
			if len(out.Why.Hops) > 32+3*len(seen) || out.Fallbacks > 32 {
				t.Fatalf("%d hops", len(out.Why.Hops))
			}
			route := must(b.tab.Route(c))
			if w := route.Plan(b.now); len(w.Picks) > n {
				t.Fatalf("a plan of %d groups out of %d", len(w.Picks), n)
			}
			b.now = b.now.Add(time.Minute)
		}
		for _, h := range b.tab.Health(b.now) {
			if h.InFlight != 0 {
				t.Fatalf("%s has %d calls in flight", h.ID, h.InFlight)
			}
		}
	})
}
