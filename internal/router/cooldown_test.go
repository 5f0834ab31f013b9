package router_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

// server is a deployment that answers after a while, well or not.
type server struct {
	down  atomic.Bool
	takes time.Duration
	asked atomic.Int64
	limit time.Duration // Retry-After of its refusals
}

// carry sends a call to the servers by their IDs.
func carry(t *router.Table, model string, servers map[string]*server) (*router.Outcome, error) {
	out := &router.Outcome{}
	r, err := t.Route(call(model))
	if err != nil {
		return out, err
	}
	err = r.Do(context.Background(), router.RealClock(), out, func(ctx context.Context, t router.Target) (router.Seen, error) {
		s := servers[t.ID]
		s.asked.Add(1)
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return router.Seen{}, ctx.Err()
		}
		if s.down.Load() {
			return router.Seen{}, &gateway.Error{Kind: gateway.UpstreamLimited, Status: 429, RetryAfter: s.limit}
		}
		return router.Seen{}, nil
	})
	return out, err
}

func TestCooldownAndProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &server{takes: time.Second}, &server{takes: time.Second}
		servers := map[string]*server{"a": a, "b": b}
		tab := router.New([]gateway.Deployment{d("a"), d("b")}, router.Settings{Retries: 2, Cooldown: 30 * time.Second, Random: seeded()}, nil)
		calls := func(n int) {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					if _, err := carry(tab, "m", servers); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		a.down.Store(true)
		for a.asked.Load() == 0 {
			calls(1)
		}
		was := a.asked.Load()
		calls(50)
		if n := a.asked.Load() - was; n != 0 {
			t.Errorf("%d calls went to a deployment that rests", n)
		}
		if h := tab.Health(time.Now())[0]; h.Cooling <= 0 || h.Probing {
			t.Errorf("health %+v, want cooling", h)
		}

		time.Sleep(31 * time.Second)
		if h := tab.Health(time.Now())[0]; h.Cooling > 0 || !h.Probing {
			t.Errorf("health %+v, want probing", h)
		}
		was = a.asked.Load()
		calls(50)
		if n := a.asked.Load() - was; n != 1 {
			t.Errorf("%d calls went to a deployment that may be well again, want 1", n)
		}
		if h := tab.Health(time.Now())[0]; h.Cooling <= 0 {
			t.Errorf("health %+v, want cooling again: the probe has failed", h)
		}

		a.down.Store(false)
		time.Sleep(31 * time.Second)
		calls(50)
		was = a.asked.Load()
		calls(100)
		if n := a.asked.Load() - was; n < 25 {
			t.Errorf("%d of 100 calls went to a deployment that is well again", n)
		}
	})
}

func TestOneFailureIsEnoughForAProbe(t *testing.T) {
	b := newBench(t, router.Settings{Cooldown: 2 * time.Minute}, d("a", order(1)), d("b", order(2)))
	b.fails(gateway.UpstreamFailed, 500, "a")
	b.counts(5, call("a"))
	for range 5 {
		b.do(call("m")) // those by its id have counted; these go by the group
	}
	for range 3 {
		b.now = b.now.Add(3 * time.Minute)
		if asked, _, _ := b.do(call("m")); asked[0] != "a" {
			t.Fatalf("asked %v, want a again", asked)
		}
		if h := b.tab.Health(b.now)[0]; h.Cooling != 2*time.Minute {
			t.Fatalf("health %+v, want cooling: the only call since has failed", h)
		}
	}
}

func TestAProbeThatHangsDoesNotBlockTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &server{}, &server{takes: time.Millisecond}
		servers := map[string]*server{"a": a, "b": b}
		tab := router.New([]gateway.Deployment{d("a", weight(1000)), d("b", weight(1))}, router.Settings{Retries: 2, Cooldown: time.Second, Random: seeded()}, nil)
		a.down.Store(true)
		for a.asked.Load() == 0 {
			carry(tab, "m", servers)
		}
		a.down.Store(false)
		a.takes = time.Hour
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		was := a.asked.Load()
		for range 20 { // over 10 s
			wg.Go(func() { carry(tab, "m", servers) })
			time.Sleep(time.Second / 2)
		}
		if n := a.asked.Load() - was; n != 2 {
			t.Errorf("%d probes in 10 s, want one each 5 s", n)
		}
		wg.Wait()
	})
}

func TestWhoIsAloneIsAskedAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &server{takes: time.Second}
		tab := router.New([]gateway.Deployment{d("a", func(d *gateway.Deployment) { n := 0; d.AllowedFails = &n })}, router.Settings{Cooldown: 10 * time.Second}, nil)
		a.down.Store(true)
		servers := map[string]*server{"a": a}
		carry(tab, "m", servers)
		_, err := carry(tab, "m", servers)
		if e := gateway.AsError(err); e.Type != "all_deployments_in_cooldown" || e.RetryAfter != 10*time.Second ||
			e.Message != "No deployments available for selected model, Try again in 10 seconds. All deployments for selected model are in cooldown. Passed model=m." {
			t.Errorf("got %v", err)
		}
		a.down.Store(false)
		time.Sleep(11 * time.Second)
		var wg sync.WaitGroup
		for range 10 { // nobody waits for the probe where there is no other
			wg.Go(func() {
				if _, err := carry(tab, "m", servers); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestAWildcardNeverRests(t *testing.T) {
	b := newBench(t, router.Settings{Cooldown: time.Hour}, d("w", group("x/*"), upstream("openai", "*")))
	b.fails(gateway.UpstreamAuth, 401, "w")
	for range 20 {
		if asked, _, _ := b.do(call("x/y")); len(asked) != 1 {
			t.Fatal("it rests")
		}
	}
}

func TestHowLongADeploymentRests(t *testing.T) {
	own := 2 * time.Second
	for _, tt := range []struct {
		name  string
		d     gateway.Deployment
		after time.Duration
		want  time.Duration
	}{
		{"as long as the router says", d("a"), 0, 5 * time.Second},
		{"or the provider", d("a"), 40 * time.Second, 40 * time.Second},
		{"or, before both, the deployment's own setting", d("a", func(d *gateway.Deployment) { d.Cooldown = &own }), 40 * time.Second, own},
		{"which may be not at all", d("a", func(d *gateway.Deployment) { d.Cooldown = new(time.Duration) }), 40 * time.Second, 0},
	} {
		b := newBench(t, router.Settings{Cooldown: 5 * time.Second}, tt.d)
		b.answers["a"] = func() error { return &gateway.Error{Kind: gateway.UpstreamAuth, Status: 401, RetryAfter: tt.after} }
		b.do(call("m"))
		if got := b.tab.Health(b.now)[0].Cooling; got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestNoMoreThanMaxParallelAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		tab := router.New([]gateway.Deployment{d("a", func(d *gateway.Deployment) { d.MaxParallel = 3 })}, router.Settings{}, nil)
		answered := atomic.Int64{}
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				r := must(tab.Route(call("m")))
				err := r.Do(context.Background(), router.RealClock(), &router.Outcome{}, func(context.Context, router.Target) (router.Seen, error) {
					most.Store(max(most.Load(), now.Add(1)))
					time.Sleep(time.Second)
					now.Add(-1)
					return router.Seen{}, nil
				})
				if err == nil {
					answered.Add(1)
				}
			})
		}
		wg.Wait()
		if most.Load() != 3 || answered.Load() != 3 {
			t.Errorf("%d at once, %d answered, want 3", most.Load(), answered.Load())
		}
		if n := tab.Health(time.Now())[0].InFlight; n != 0 {
			t.Errorf("%d still in flight", n)
		}
	})
}

// meanwhile are limits during whose look-up something else happens.
type meanwhile struct{ f func() }

func (m *meanwhile) Room(*gateway.Deployment) gateway.Filter {
	if f := m.f; f != nil {
		m.f = nil
		f()
	}
	return gateway.NoFilter
}

func TestASlotTakenInBetween(t *testing.T) {
	room := &meanwhile{}
	b := newBench(t, router.Settings{Room: room}, d("a", order(1), func(d *gateway.Deployment) { d.MaxParallel = 1 }), d("b", order(2)))
	var asked []string
	// The call has found a free; before it takes the slot, another does.
	room.f = func() {
		hold := make(chan struct{})
		var wg sync.WaitGroup
		began := make(chan struct{})
		wg.Go(func() {
			r := must(b.tab.Route(call("a")))
			_ = r.Do(context.Background(), router.RealClock(), &router.Outcome{}, func(context.Context, router.Target) (router.Seen, error) {
				close(began)
				<-hold
				return router.Seen{}, nil
			})
		})
		<-began
		t.Cleanup(func() { close(hold); wg.Wait() })
	}
	asked, _, err := b.do(call("m"))
	if err != nil || !slices.Equal(asked, []string{"b"}) {
		t.Errorf("asked %v, %v; want b, because a has its one call", asked, err)
	}
}

func TestReloadUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := func(n int, earlier *router.Table) *router.Table {
			var ds []gateway.Deployment
			for i := range 3 + n%3 {
				ds = append(ds, d(fmt.Sprint("d", (i+n)%6)))
			}
			return router.New(ds, router.Settings{Retries: 1}, earlier)
		}
		var current atomic.Pointer[router.Table]
		current.Store(table(0, nil))
		var wg sync.WaitGroup
		var failed atomic.Int64
		for i := range 1000 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				tab := current.Load()
				var known []string
				for _, d := range tab.Deployments() {
					known = append(known, d.ID)
				}
				r := must(tab.Route(call("m")))
				err := r.Do(context.Background(), router.RealClock(), &router.Outcome{}, func(_ context.Context, t router.Target) (router.Seen, error) {
					time.Sleep(300 * time.Millisecond)
					if !slices.Contains(known, t.ID) {
						failed.Add(1)
					}
					return router.Seen{}, nil
				})
				if err != nil {
					failed.Add(1)
				}
			})
		}
		for n := range 10 {
			time.Sleep(100 * time.Millisecond)
			current.Store(table(n+1, current.Load()))
		}
		wg.Wait()
		if n := failed.Load(); n > 0 {
			t.Errorf("%d of 1000 calls failed or left their table", n)
		}
		for _, h := range current.Load().Health(time.Now()) {
			if h.InFlight != 0 {
				t.Errorf("%s has %d calls in flight", h.ID, h.InFlight)
			}
		}
	})
}

func TestAReloadForgetsNothing(t *testing.T) {
	b := newBench(t, router.Settings{Cooldown: time.Minute}, d("a"), d("b"))
	b.fails(gateway.UpstreamAuth, 401, "a")
	b.do(call("a"))
	b.tab = router.New([]gateway.Deployment{d("c"), d("a", weight(7))}, router.Settings{Cooldown: time.Minute}, b.tab)
	h := b.tab.Health(b.now)
	if len(h) != 2 || h[1].ID != "a" || h[1].Cooling != time.Minute {
		t.Errorf("health %+v, want a still cooling", h)
	}
}

func TestAnotherDeploymentBesideASlowOne(t *testing.T) {
	b := newBench(t, router.Settings{}, d("a", weight(100)), d("b", weight(1)), d("c", weight(1), order(2)))
	var second router.Target
	out := &router.Outcome{}
	c := call("m")
	c.Stream = true
	r := must(b.tab.Route(c))
	ctx := context.Background()
	err := r.Do(ctx, b.clock(), out, func(ctx context.Context, first router.Target) (router.Seen, error) {
		if d, ok := first.FirstByte(0.95); ok {
			t.Errorf("knows the first byte of a deployment it has not asked: %v", d)
		}
		start := b.now
		var ok bool
		if second, ok = out.Another(); !ok || second.ID == first.ID {
			t.Fatalf("another than %s is %+v, %v", first.ID, second.Deployment, ok)
		}
		if _, ok := out.Another(); ok && len(b.tab.Deployments()) < 3 {
			t.Error("a third of two")
		}
		b.now = b.now.Add(100 * time.Millisecond)
		out.Ended(ctx, second, start, router.Seen{First: b.now, Output: 1}, nil)
		return router.Seen{}, &gateway.Error{Kind: gateway.Canceled, Message: "another was quicker"}
	})
	_ = err
	if len(out.Attempts) != 2 || !out.Attempts[0].Hedged || !out.Attempts[0].OK || out.Attempts[0].FirstByte != 100*time.Millisecond || out.Attempts[1].Hedged {
		t.Errorf("attempts %+v", out.Attempts)
	}
	for _, h := range b.tab.Health(b.now) {
		if h.Cooling > 0 {
			t.Errorf("%s rests, although it was only slower", h.ID)
		}
	}
	if len(out.Why.Picks) < 2 || out.Why.Picks[1].Deployment != second.ID {
		t.Errorf("picks %+v", out.Why.Picks)
	}
}

func TestFirstByte(t *testing.T) {
	b := newBench(t, router.Settings{}, d("a"))
	c := call("m")
	c.Stream = true
	for i := range 20 {
		b.takes = time.Duration(i+1) * 10 * time.Millisecond
		b.do(c)
	}
	_, out, _ := b.do(c)
	if d, ok := out.Target.FirstByte(0.95); !ok || d != 200*time.Millisecond {
		t.Errorf("95th percentile of 10, 20, … 200 ms is %v, %v", d, ok)
	}
	if d, _ := out.Target.FirstByte(0.5); d != 110*time.Millisecond {
		t.Errorf("the median is %v", d)
	}
}

func TestFiguresForOthers(t *testing.T) {
	b := newBench(t, router.Settings{Strategy: router.UsageBasedV2, Cooldown: time.Minute}, d("a", func(d *gateway.Deployment) { d.RPM = 10 }), d("b"))
	b.seen, b.takes = router.Seen{Output: 10, Tokens: 70}, time.Second
	for range 3 {
		b.do(call("a"))
	}
	b.fails(gateway.UpstreamAuth, 401, "b")
	b.do(call("b"))
	got := map[string]router.Figures{}
	for f := range b.tab.Figures(b.now) {
		got[f.ID] = f
	}
	if a := got["a"]; a.Requests != 3 || a.Tokens != 210 || a.Latency != 100*time.Millisecond || !a.CoolUntil.IsZero() {
		t.Errorf("a: %+v", a)
	}
	if f := got["b"]; f.CoolUntil.Sub(b.now) != time.Minute {
		t.Errorf("b: %+v", f)
	}

	other := newBench(t, router.Settings{Strategy: router.UsageBasedV2, Cooldown: time.Minute}, d("a", func(d *gateway.Deployment) { d.RPM = 10 }), d("b"))
	for _, f := range got {
		if f.ID == "a" {
			f.Requests = 9
		}
		other.tab.Elsewhere(f, other.now)
	}
	other.tab.Elsewhere(router.Figures{ID: "gone"}, other.now)
	if h := other.tab.Health(other.now)[1]; h.Cooling <= 0 {
		t.Error("a cooldown elsewhere is not heeded")
	}
	if _, _, err := other.do(call("m")); err != nil {
		t.Errorf("the tenth request: %v", err)
	}
	if _, _, err := other.do(call("m")); err == nil {
		t.Error("an eleventh request, nine of them elsewhere, passed rpm 10")
	}
	other.now = other.now.Add(3 * time.Minute)
	if _, _, err := other.do(call("m")); err != nil {
		t.Errorf("three minutes later: %v", err)
	}
}
