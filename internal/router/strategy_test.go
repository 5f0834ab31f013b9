package router_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

func TestSimpleShuffleSharesByWeight(t *testing.T) {
	rpm := func(n int64) func(*gateway.Deployment) { return func(d *gateway.Deployment) { d.RPM = n } }
	tpm := func(n int64) func(*gateway.Deployment) { return func(d *gateway.Deployment) { d.TPM = n } }
	for _, tt := range []struct {
		name   string
		ds     []gateway.Deployment
		shares map[string]float64
	}{
		{"all alike without weights", []gateway.Deployment{d("a"), d("b"), d("c"), d("d")}, map[string]float64{"a": .25, "b": .25, "c": .25, "d": .25}},
		{"by weight", []gateway.Deployment{d("a", weight(1)), d("b", weight(3))}, map[string]float64{"a": .25, "b": .75}},
		{"no weight is none, if others have one", []gateway.Deployment{d("a"), d("b", weight(1)), d("c", weight(1))}, map[string]float64{"b": .5, "c": .5}},
		{"weight before rpm", []gateway.Deployment{d("a", weight(1), rpm(900)), d("b", weight(1), rpm(100))}, map[string]float64{"a": .5, "b": .5}},
		{"by rpm", []gateway.Deployment{d("a", rpm(900)), d("b", rpm(100))}, map[string]float64{"a": .9, "b": .1}},
		{"rpm before tpm", []gateway.Deployment{d("a", rpm(100), tpm(1)), d("b", rpm(100), tpm(9))}, map[string]float64{"a": .5, "b": .5}},
		{"by tpm", []gateway.Deployment{d("a", tpm(2000)), d("b", tpm(8000))}, map[string]float64{"a": .2, "b": .8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, router.Settings{}, tt.ds...)
			got := b.counts(4000, call("m"))
			// 16.27 is exceeded by chance once in a thousand with three degrees of freedom.
			if x := chiSquare(got, tt.shares); x > 16.27 {
				t.Errorf("%v is not shared by %v: chi-square %.1f", got, tt.shares, x)
			}
			for id, n := range got {
				if tt.shares[id] == 0 {
					t.Errorf("%s got %d calls, want none", id, n)
				}
			}
		})
	}
}

func TestALargeGroupIsSharedAsASmallOne(t *testing.T) {
	const n = 200
	for _, strategy := range []router.Strategy{router.SimpleShuffle, router.LeastBusy, router.UsageBasedV2, router.LatencyBased, router.CostBased} {
		t.Run(string(strategy), func(t *testing.T) {
			var ds []gateway.Deployment
			shares := map[string]float64{}
			for i := range n {
				id := fmt.Sprintf("d%03d", i)
				ds = append(ds, d(id))
				shares[id] = 1.0 / n
			}
			b := newBench(t, router.Settings{Strategy: strategy}, ds...)
			b.takes = time.Millisecond
			got := b.counts(20*n, call("m"))
			// Mean 199, deviation 20: five deviations.
			if x := chiSquare(got, shares); x > 300 {
				t.Errorf("chi-square %.0f over %d deployments", x, n)
			}
			// With all but one gone, that one is found.
			for i := range n {
				if i != 77 {
					b.tab.SetHealth(fmt.Sprintf("d%03d", i), b.now.Add(time.Hour))
				}
			}
			if asked, _, err := b.do(call("m")); err != nil || !slices.Equal(asked, []string{"d077"}) {
				t.Errorf("asked %v, %v, want the only well one", asked, err)
			}
		})
	}
}

func TestWeightsOfALargeGroup(t *testing.T) {
	var ds []gateway.Deployment
	for i := range 100 {
		w := 1.0
		if i == 50 {
			w = 101
		}
		ds = append(ds, d(fmt.Sprint(i), weight(w)))
	}
	b := newBench(t, router.Settings{}, ds...)
	got := b.counts(2000, call("m"))
	if heavy := got["50"]; heavy < 900 || heavy > 1120 {
		t.Errorf("%d of 2000 calls for 101 of 200 weights", heavy)
	}
}

// inFlight makes n calls hang at id while f runs.
func (b *bench) inFlight(id string, n int, f func()) {
	if n == 0 {
		f()
		return
	}
	old := b.answers[id]
	b.answers[id] = func() error {
		b.answers[id] = old
		b.inFlight(id, n-1, f)
		return nil
	}
	c := call(id)
	b.do(c) // by its id, so that no strategy has a say
}

func TestLeastBusy(t *testing.T) {
	b := newBench(t, router.Settings{Strategy: router.LeastBusy}, d("a"), d("b"), d("c"))
	b.inFlight("a", 2, func() {
		b.inFlight("b", 1, func() {
			b.inFlight("c", 3, func() {
				for range 20 {
					if asked, _, _ := b.do(call("m")); asked[0] != "b" {
						t.Fatalf("asked %v, want b, which has one call in flight of 2, 1 and 3", asked)
					}
				}
			})
		})
	})
	got := b.counts(3000, call("m"))
	if x := chiSquare(got, map[string]float64{"a": 1. / 3, "b": 1. / 3, "c": 1. / 3}); x > 13.8 {
		t.Errorf("%v: ties are not shared evenly, chi-square %.1f", got, x)
	}
}

func TestUsageBased(t *testing.T) {
	for _, strategy := range []router.Strategy{router.UsageBased, router.UsageBasedV2} {
		b := newBench(t, router.Settings{Strategy: strategy}, d("a"), d("b"))
		b.seen.Tokens = 1000
		b.do(call("a")) // a has used 1,000 tokens
		b.seen.Tokens = 100
		got := b.counts(10, call("m"))
		if got["b"] != 10 && got["b"] != 9 {
			t.Errorf("%s: %v, want b until it has used as much as a", strategy, got)
		}
		b.now = b.now.Add(3 * time.Minute)
		b.seen.Tokens = 1
		if got := b.counts(100, call("m")); got["a"] < 30 {
			t.Errorf("%s: %v, usage of three minutes ago still counts", strategy, got)
		}
	}
}

func TestRateLimitsOfDeployments(t *testing.T) {
	limited := func(id string, rpm, tpm int64) gateway.Deployment {
		return d(id, func(d *gateway.Deployment) { d.RPM, d.TPM = rpm, tpm })
	}
	for _, tt := range []struct {
		name   string
		s      router.Settings
		ds     []gateway.Deployment
		tokens int64
		want   int // calls that are answered
	}{
		{"usage-based keeps rpm, to the last request", router.Settings{Strategy: router.UsageBasedV2}, []gateway.Deployment{limited("a", 3, 0), limited("b", 2, 0)}, 1, 5},
		{"usage-based keeps tpm", router.Settings{Strategy: router.UsageBasedV2}, []gateway.Deployment{limited("a", 0, 100)}, 50, 2},
		{"usage-based counts what an answer really used", router.Settings{Strategy: router.UsageBasedV2}, []gateway.Deployment{limited("a", 0, 1000)}, 100, 10},
		{"latency-based keeps rpm", router.Settings{Strategy: router.LatencyBased}, []gateway.Deployment{limited("a", 2, 0)}, 1, 2},
		{"cost-based keeps rpm", router.Settings{Strategy: router.CostBased}, []gateway.Deployment{limited("a", 2, 0)}, 1, 2},
		{"simple-shuffle goes by rpm without keeping it", router.Settings{}, []gateway.Deployment{limited("a", 2, 10)}, 50, 20},
		{"unless told to", router.Settings{EnforceLimits: true}, []gateway.Deployment{limited("a", 2, 0)}, 1, 2},
		{"pre-call checks keep rpm", router.Settings{PreCallChecks: true}, []gateway.Deployment{limited("a", 2, 0)}, 1, 2},
		{"but not tpm", router.Settings{PreCallChecks: true}, []gateway.Deployment{limited("a", 0, 10)}, 50, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.s, tt.ds...)
			b.seen.Tokens = tt.tokens
			answered := 0
			var last error
			c := call("m")
			c.Ask.Likely = 40
			if tt.tokens < 100 {
				c.Ask.Likely = 0
			}
			for range 20 {
				if _, _, err := b.do(c); err == nil {
					answered++
				} else {
					last = err
				}
			}
			if answered != tt.want {
				t.Errorf("%d of 20 calls answered, want %d", answered, tt.want)
			}
			if tt.want < 20 {
				if e := gateway.AsError(last); e.Kind != gateway.Unavailable || e.RetryAfter != time.Minute {
					t.Errorf("refused with %v, retry after %v; want unavailable and a minute", e, e.RetryAfter)
				}
			}
			b.now = b.now.Add(2 * time.Minute)
			if _, _, err := b.do(call("m")); err != nil {
				t.Errorf("two minutes later: %v", err)
			}
		})
	}
}

func TestAMinuteSlides(t *testing.T) {
	b := newBench(t, router.Settings{EnforceLimits: true}, d("a", func(d *gateway.Deployment) { d.RPM = 60 }))
	b.now = time.Unix(1_700_000_040, 0) // a whole minute
	answered := func() (n int) {
		for {
			if _, _, err := b.do(call("m")); err != nil {
				return n
			}
			n++
		}
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 60}, {59 * time.Second, 0}, {time.Second, 0}, {15 * time.Second, 15}, {15 * time.Second, 15}, {5 * time.Minute, 60}} {
		b.now = b.now.Add(tt.after)
		if n := answered(); n != tt.want {
			t.Errorf("%v later %d more requests, want %d of 60 a minute", tt.after, n, tt.want)
		}
	}
}

func TestLatencyBased(t *testing.T) {
	at := func(b *bench, id string, c *gateway.Call, n int, takes time.Duration, output int64) {
		b.takes, b.seen = takes, router.Seen{Output: output, Tokens: output}
		for range n {
			one := *c
			one.Group = id
			b.do(&one)
		}
	}
	stream := call("m")
	stream.Stream = true
	for _, tt := range []struct {
		name string
		args router.Args
		c    *gateway.Call
		fill func(b *bench)
		want []string
	}{
		{"the quickest by output token", router.Args{}, call("m"), func(b *bench) {
			at(b, "a", call("m"), 3, time.Second, 10)    // 100 ms a token
			at(b, "b", call("m"), 3, 3*time.Second, 100) // 30 ms a token
		}, []string{"b"}},
		{"an untried one first", router.Args{}, call("m"), func(b *bench) { at(b, "a", call("m"), 3, time.Second, 10) }, []string{"b"}},
		{"within the buffer by chance", router.Args{Buffer: 0.5}, call("m"), func(b *bench) {
			at(b, "a", call("m"), 3, 1200*time.Millisecond, 10)
			at(b, "b", call("m"), 3, time.Second, 10)
		}, []string{"a", "b"}},
		{"outside the buffer never", router.Args{Buffer: 0.1}, call("m"), func(b *bench) {
			at(b, "a", call("m"), 3, 1200*time.Millisecond, 10)
			at(b, "b", call("m"), 3, time.Second, 10)
		}, []string{"b"}},
		{"a stream by its first byte", router.Args{}, stream, func(b *bench) {
			at(b, "a", stream, 3, 100*time.Millisecond, 1)
			at(b, "b", stream, 3, 300*time.Millisecond, 1000)
		}, []string{"a"}},
		{"old samples are forgotten", router.Args{TTL: time.Minute}, call("m"), func(b *bench) {
			at(b, "a", call("m"), 3, time.Second, 1000)
			b.now = b.now.Add(2 * time.Minute)
			at(b, "b", call("m"), 3, time.Second, 10)
		}, []string{"a"}},
		{"the group's own arguments", router.Args{TTL: time.Hour}, call("m"), func(b *bench) {
			b.tab = router.New([]gateway.Deployment{d("a"), d("b")}, router.Settings{
				Strategy: router.LatencyBased, GroupArgs: map[string]router.Args{"m": {Buffer: 0.5}}, Random: seeded(),
			}, nil)
			at(b, "a", call("m"), 3, 1200*time.Millisecond, 10)
			at(b, "b", call("m"), 3, time.Second, 10)
		}, []string{"a", "b"}},
		{"only the last samples count", router.Args{Samples: 2}, call("m"), func(b *bench) {
			at(b, "a", call("m"), 10, 10*time.Second, 10)
			at(b, "a", call("m"), 2, 10*time.Millisecond, 10)
			at(b, "b", call("m"), 2, time.Second, 10)
		}, []string{"a"}},
		{"a timeout counts for very slow", router.Args{}, call("m"), func(b *bench) {
			at(b, "a", call("m"), 1, time.Millisecond, 10)
			b.fails(gateway.UpstreamTimeout, 0, "a")
			one := call("a")
			zero := 0
			one.Retries = &zero
			b.do(one)
			delete(b.answers, "a")
			at(b, "b", call("m"), 1, 5*time.Second, 1)
		}, []string{"b"}},
		{"the percentile of first bytes, if that is asked for", router.Args{Percentile: 0.95, Samples: 20}, stream, func(b *bench) {
			at(b, "a", stream, 8, 10*time.Millisecond, 1)
			at(b, "a", stream, 1, 2*time.Second, 1) // mean 231 ms, 95th percentile 2 s
			at(b, "b", stream, 9, 300*time.Millisecond, 1)
		}, []string{"b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, router.Settings{Strategy: router.LatencyBased, Args: tt.args}, d("a"), d("b"))
			tt.fill(b)
			got := map[string]bool{}
			for range 40 {
				p := must(b.tab.Route(tt.c))
				got[p.Plan(b.now).Picks[0].Deployment] = true
			}
			var ids []string
			for id := range got {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			if !slices.Equal(ids, tt.want) {
				t.Errorf("chose %v, want %v", ids, tt.want)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAnUntriedDeploymentIsNotFlooded(t *testing.T) {
	b := newBench(t, router.Settings{Strategy: router.LatencyBased}, d("a"), d("b"))
	b.takes, b.seen.Output = time.Second, 10
	b.do(call("a"))
	b.inFlight("b", 1, func() { // somebody finds out how b does
		for range 20 {
			if asked, _, _ := b.do(call("m")); asked[0] != "a" {
				t.Fatal("a second call went to b, which nothing is known of yet")
			}
		}
	})
}

func TestCostBased(t *testing.T) {
	price := map[string]gateway.NanoUSD{"cheap": 100, "cheap-too": 100, "dear": 200}
	facts := func(d *gateway.Deployment, _ string) router.Facts {
		c, ok := price[d.ID]
		return router.Facts{Cost: c, Priced: ok}
	}
	s := router.Settings{Strategy: router.CostBased, Facts: facts}
	b := newBench(t, s, d("dear"), d("cheap"), d("unpriced"), d("cheap-too"))
	got := b.counts(1000, call("m"))
	if x := chiSquare(got, map[string]float64{"cheap": .5, "cheap-too": .5}); x > 10.8 || len(got) != 2 {
		t.Errorf("%v, want the two cheapest alike", got)
	}
	for _, id := range []string{"cheap", "cheap-too"} {
		b.tab.SetHealth(id, b.now.Add(time.Hour))
	}
	if asked, _, _ := b.do(call("m")); asked[0] != "dear" {
		t.Errorf("asked %v, want the dear one: a known price before none", asked)
	}
}

func TestAGroupHasAStrategyOfItsOwn(t *testing.T) {
	s := router.Settings{Groups: map[string]router.Strategy{"m": router.LeastBusy}}
	b := newBench(t, s, d("a"), d("b"), d("x", group("other")))
	for g, want := range map[string]string{"m": "least-busy", "other": "simple-shuffle"} {
		_, out, _ := b.do(call(g))
		if got := out.Why.Picks[0].Strategy; got != want {
			t.Errorf("%s goes by %s, want %s", g, got, want)
		}
	}
}

func TestOrder(t *testing.T) {
	zero := 0
	b := newBench(t, router.Settings{Retries: 1}, d("none"), d("two", order(2)), d("one", order(1)), d("uno", order(1)))
	got := b.counts(200, call("m"))
	if got["one"] < 60 || got["uno"] < 60 || len(got) != 2 {
		t.Errorf("%v, want only order 1", got)
	}
	b.fails(gateway.UpstreamFailed, 500, "one", "uno")
	asked, out, err := b.do(call("m"))
	if err != nil || len(asked) != 3 || asked[2] != "two" {
		t.Errorf("asked %v, %v; want both of order 1, then order 2", asked, err)
	}
	if out.Fallbacks != 0 || len(out.Why.Hops) != 1 || out.Why.Hops[0].Level != 2 {
		t.Errorf("hops %+v, %d fallbacks; want one to order 2, which is no fallback", out.Why.Hops, out.Fallbacks)
	}
	b.fails(gateway.UpstreamFailed, 500, "two")
	c := call("m")
	c.Retries = &zero
	if asked, _, err = b.do(c); err != nil || len(asked) != 3 || asked[2] != "none" {
		t.Errorf("asked %v, %v; want one of each order, those without last", asked, err)
	}
	b.fails(gateway.ContextWindow, 400, "one", "uno")
	if asked, _, _ = b.do(c); len(asked) != 1 {
		t.Errorf("asked %v for a prompt that is too long, want one", asked)
	}
}
