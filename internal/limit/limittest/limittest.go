package limittest

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
)

// Epoch is a moment in the middle of every window, for tests that need one.
var Epoch = time.Date(2026, 3, 18, 10, 20, 30, 0, time.UTC)

// Of returns a limit of so much for every model.
func Of(kind limit.Kind, amount int64) limit.Limit { return limit.Limit{Kind: kind, Amount: amount} }

// Takes returns the limits of one scope as a call takes them.
func Takes(scope limit.ScopeKind, id string, limits ...limit.Limit) []limit.Take {
	return limit.NewSet(limit.Scope{Kind: scope, ID: id}, "", time.Time{}, limits...).Takes(nil, "")
}

// Exactly is a Size of tokens and money without doubt.
func Exactly(tokens, money int64) *limit.Size {
	return &limit.Size{
		Tokens: limit.Exactly(tokens), Input: limit.Exactly(tokens), Output: limit.Exactly(tokens), Money: limit.Exactly(money),
	}
}

// Run plays the contract against counters made by open.
func Run(t *testing.T, open func(t *testing.T) limit.Counter) {
	t.Run("sequence", func(t *testing.T) { sequence(t, open) })
	t.Run("all or nothing", func(t *testing.T) { allOrNothing(t, open) })
	t.Run("a hundred at once get exactly ten", func(t *testing.T) { exactlyTen(t, open) })
	t.Run("settling is done once", func(t *testing.T) { once(t, open) })
	t.Run("capped when the worst does not fit", func(t *testing.T) { capped(t, open) })
	t.Run("cheap calls without a cap pass under a small budget", func(t *testing.T) { cheap(t, open) })
	t.Run("at no moment is more promised than there is", func(t *testing.T) { atOnce(t, open) })
	t.Run("opposite scopes do not deadlock", func(t *testing.T) { crossing(t, open) })
}

// step is one thing that happens to the counters.
type step struct {
	after   time.Duration // since the step before
	size    *limit.Size
	settle  *limit.Actual // of the oldest call not yet settled; nil: reserve
	refused bool
	retry   time.Duration // of the refusal
}

func sequence(t *testing.T, open func(t *testing.T) limit.Counter) {
	key := func(k limit.Kind, n int64) []limit.Take { return Takes(limit.KeyScope, "k", Of(k, n)) }
	reserve := func(after time.Duration) step { return step{after: after, size: Exactly(1, 1)} }
	day := Of(limit.Money, 10)
	day.Window = limit.Window{N: 1, Unit: limit.Days}
	daily := Takes(limit.KeyScope, "k", day)
	for _, tt := range []struct {
		name  string
		takes []limit.Take
		steps []step
	}{
		{"the third request of two in a minute waits for the first to leave the window", key(limit.Requests, 2), []step{
			reserve(0), reserve(10 * time.Second),
			{size: Exactly(1, 1), refused: true, retry: 51 * time.Second},
			{after: 50 * time.Second, size: Exactly(1, 1), refused: true, retry: time.Second},
			reserve(time.Second),
		}},
		{"a refused request uses nothing", key(limit.Requests, 1), []step{
			reserve(0),
			{after: 30 * time.Second, size: Exactly(1, 1), refused: true, retry: 31 * time.Second},
			{after: 30 * time.Second, size: Exactly(1, 1), refused: true, retry: time.Second},
			reserve(time.Second),
		}},
		{"tokens are settled to the truth", key(limit.Tokens, 100), []step{
			{size: Exactly(90, 0)},
			{size: Exactly(20, 0), refused: true, retry: 61 * time.Second},
			{settle: &limit.Actual{Requests: 1, Tokens: 10}},
			{size: Exactly(90, 0)},
			{size: Exactly(1, 0), refused: true, retry: 61 * time.Second},
		}},
		{"tokens over the reservation count too", key(limit.Tokens, 100), []step{
			{size: Exactly(10, 0)},
			{settle: &limit.Actual{Requests: 1, Tokens: 99}},
			{size: Exactly(2, 0), refused: true, retry: 61 * time.Second},
			{size: Exactly(1, 0)},
		}},
		{"a late settlement does not touch a window that is over", key(limit.Tokens, 100), []step{
			{size: Exactly(10, 0)},
			{after: 2 * time.Minute, settle: &limit.Actual{Requests: 1, Tokens: 5000}},
			{size: Exactly(100, 0)},
		}},
		{"a slot comes back when its call ends", key(limit.Parallel, 1), []step{
			reserve(0),
			{after: time.Hour, size: Exactly(1, 1), refused: true, retry: time.Second},
			{settle: &limit.Actual{}},
			reserve(0),
		}},
		{"six cheap calls in a row under a small budget", key(limit.Money, 12), []step{
			{size: Exactly(1, 6)},
			{settle: &limit.Actual{Requests: 1, Money: 2}},
			{size: Exactly(1, 6)},
			{settle: &limit.Actual{Requests: 1, Money: 2}},
			{size: Exactly(1, 6)},
			{settle: &limit.Actual{Requests: 1, Money: 2}},
			{size: Exactly(1, 6)},
			{settle: &limit.Actual{Requests: 1, Money: 2}},
			{size: Exactly(1, 6), refused: true},
			{size: Exactly(1, 2)},
			{settle: &limit.Actual{Requests: 1, Money: 2}},
			{size: Exactly(1, 2)},
			{settle: &limit.Actual{Requests: 1, Money: 2}},
			{size: Exactly(1, 1), refused: true},
		}},
		{"a budget of nothing admits nothing that costs", key(limit.Money, 0), []step{
			{size: Exactly(1, 1), refused: true}, {size: Exactly(1, 0)},
		}},
		{"a daily budget starts anew at midnight, without any job", daily, []step{
			{size: Exactly(1, 10)},
			{settle: &limit.Actual{Requests: 1, Money: 10}},
			{size: Exactly(1, 1), refused: true, retry: 13*time.Hour + 39*time.Minute + 30*time.Second},
			{after: 13*time.Hour + 39*time.Minute + 29*time.Second, size: Exactly(1, 1), refused: true, retry: time.Second},
			{after: time.Second, size: Exactly(1, 10)},
		}},
		{"money of yesterday's call is yesterday's", daily, []step{
			{size: Exactly(1, 10)},
			{after: 14 * time.Hour, settle: &limit.Actual{Requests: 1, Money: 10}},
			{size: Exactly(1, 10)},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t)
			now := Epoch
			var held []*limit.Hold
			for i, s := range tt.steps {
				now = now.Add(s.after)
				if s.settle != nil {
					c.Settle(held[0], s.settle)
					held = held[1:]
					continue
				}
				h := &limit.Hold{}
				f := c.Reserve(t.Context(), now, h, tt.takes, s.size)
				if (f != nil) != s.refused {
					t.Fatalf("step %d: refusal %+v, want refused=%v", i, f, s.refused)
				}
				if f != nil && f.RetryAfter != s.retry {
					t.Errorf("step %d: retry after %v, want %v", i, f.RetryAfter, s.retry)
				}
				if f == nil {
					held = append(held, h)
				}
			}
		})
	}
}

func allOrNothing(t *testing.T, open func(t *testing.T) limit.Counter) {
	c := open(t)
	wide := Takes(limit.TeamScope, "t", Of(limit.Requests, 5))[0]
	narrow := Takes(limit.KeyScope, "k", Of(limit.Requests, 1))[0]
	must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, []limit.Take{narrow, wide}, Exactly(1, 0)), nil)
	for range 10 {
		must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, []limit.Take{narrow, wide}, Exactly(1, 0)), &narrow)
	}
	for range 4 {
		must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, []limit.Take{wide}, Exactly(1, 0)), nil)
	}
	must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, []limit.Take{wide}, Exactly(1, 0)), &wide)
}

func must(t *testing.T, f *limit.Refusal, want *limit.Take) {
	t.Helper()
	switch {
	case want == nil && f != nil:
		t.Fatalf("refused by %v, want admitted", f.Limit)
	case want != nil && f == nil:
		t.Fatalf("admitted, want refused by %v", want.Limit)
	case want != nil && f.Take != *want:
		t.Fatalf("refused by %v, want by %v", f.Limit, want.Limit)
	}
}

func exactlyTen(t *testing.T, open func(t *testing.T) limit.Counter) {
	for _, kind := range []limit.Kind{limit.Requests, limit.Tokens, limit.InputTokens, limit.OutputTokens, limit.Parallel, limit.Money} {
		t.Run(limit.Kinds[kind].Name, func(t *testing.T) {
			c := open(t)
			amount := int64(10)
			size := Exactly(1, 1)
			if kind != limit.Requests && kind != limit.Parallel {
				amount, size = 10*7+6, Exactly(7, 7)
			}
			takes := append(Takes(limit.KeyScope, "k", Of(kind, amount)), Takes(limit.TeamScope, "t", Of(kind, 1000))...)
			var admitted atomic.Int64
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					h := &limit.Hold{}
					if c.Reserve(t.Context(), Epoch, h, takes, size) == nil {
						admitted.Add(1)
						if kind != limit.Parallel { // a slot given back admits the next, rightly
							c.Settle(h, &limit.Actual{Requests: 1, Tokens: 7, Input: 7, Output: 7, Money: 7})
						}
					}
				})
			}
			wg.Wait()
			if n := admitted.Load(); n != 10 {
				t.Errorf("%d of 100 admitted, want exactly 10", n)
			}
		})
	}
}

func once(t *testing.T, open func(t *testing.T) limit.Counter) {
	c := open(t)
	takes := Takes(limit.KeyScope, "k", Of(limit.Parallel, 2), Of(limit.Money, 10))
	h := &limit.Hold{}
	must(t, c.Reserve(t.Context(), Epoch, h, takes, Exactly(1, 5)), nil)
	for range 3 {
		c.Settle(h, &limit.Actual{Requests: 1, Money: 4})
	}
	must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, takes, Exactly(1, 7)), &takes[1])
	must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, takes, Exactly(1, 3)), nil)
	must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, takes, Exactly(1, 3)), nil)
	must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, takes, Exactly(1, 0)), &takes[0])
}

func capped(t *testing.T, open func(t *testing.T) limit.Counter) {
	size := &limit.Size{Money: limit.Range{Least: 2, Typical: 4, Want: 10, Worst: 60}}
	for _, tt := range []struct {
		name   string
		budget int64
		want   []int64 // promised to call after call that runs at the same time
		capped bool
	}{
		{"plenty is given whole", 100_000, []int64{60, 60, 60}, false},
		{"a call alone gets what it rarely exceeds, the next ones a share of what is left", 100, []int64{10, 5, 5, 5, 4, 4, 4}, true},
		{"a call alone gets no more than a third, the next ones what is typical", 18, []int64{6, 4, 4, 4}, true},
		{"what is left, but less than typical, is given as it is", 3, []int64{3}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t)
			takes := Takes(limit.KeyScope, "k", Of(limit.Money, tt.budget))
			var sum int64
			for i, want := range tt.want {
				h := &limit.Hold{}
				must(t, c.Reserve(t.Context(), Epoch, h, takes, size), nil)
				if h.Money != want || h.Capped != tt.capped {
					t.Errorf("call %d: promised %d capped %v, want %d %v", i, h.Money, h.Capped, want, tt.capped)
				}
				sum += h.Money
			}
			for range 1000 {
				h := &limit.Hold{}
				if c.Reserve(t.Context(), Epoch, h, takes, size) != nil {
					break
				}
				sum += h.Money
			}
			if sum > tt.budget {
				t.Errorf("promises add up to %d of %d", sum, tt.budget)
			}
		})
	}
}

// A budget for a hundred such calls, of which nothing is known but their kind:
// twenty at once all pass. A budget for six: one after another, all pass, none
// is cut.
func cheap(t *testing.T, open func(t *testing.T) limit.Counter) {
	size := &limit.Size{Money: limit.Range{Least: 1, Typical: 1, Want: 2048, Worst: 16384}}
	for _, cost := range []int64{5, 10, 20, 30, 100} {
		c := open(t)
		takes := Takes(limit.KeyScope, "k", Of(limit.Money, 100*cost))
		for i := range 20 {
			h := &limit.Hold{}
			must(t, c.Reserve(t.Context(), Epoch, h, takes, size), nil)
			if h.Money < cost {
				t.Errorf("cost %d: call %d of twenty is cut at %d", cost, i, h.Money)
			}
		}
	}
	for _, cost := range []int64{5, 20, 30, 100, 300} {
		c := open(t)
		takes := Takes(limit.KeyScope, "k", Of(limit.Money, 6*cost))
		for i := range 6 {
			h := &limit.Hold{}
			must(t, c.Reserve(t.Context(), Epoch, h, takes, size), nil)
			c.Settle(h, &limit.Actual{Requests: 1, Money: gateway.NanoUSD(cost)})
			if h.Money < cost {
				t.Errorf("cost %d: call %d of six is cut at %d", cost, i, h.Money)
			}
		}
	}
}

func crossing(t *testing.T, open func(t *testing.T) limit.Counter) {
	c := open(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			key := []string{"a", "b"}[i%2]
			team := []string{"a", "b"}[i/2%2]
			takes := slices.Concat(
				Takes(limit.KeyScope, key, Of(limit.Requests, 1<<40)),
				Takes(limit.UserScope, "u", Of(limit.Money, limit.Unlimited)),
				Takes(limit.TeamScope, team, Of(limit.Requests, 1<<40)),
				Takes(limit.GlobalScope, "", Of(limit.Parallel, 1<<40)),
			)
			for range 2000 {
				h := &limit.Hold{}
				if f := c.Reserve(t.Context(), Epoch, h, takes, Exactly(1, 1)); f != nil {
					t.Errorf("refused: %+v", f)
					return
				}
				c.Settle(h, &limit.Actual{Requests: 1, Money: gateway.NanoUSD(1)})
			}
		})
	}
	wg.Wait()
}

// atOnce plays random calls on several goroutines and looks after every
// admission whether what is promised, in flight and spent keeps within the limits.
func atOnce(t *testing.T, open func(t *testing.T) limit.Counter) {
	const budget, slots = 5000, 5
	c := open(t)
	var money, running, admitted atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		random := rand.New(rand.NewPCG(uint64(g), 7))
		takes := slices.Concat(
			Takes(limit.KeyScope, strconv.Itoa(g%3), Of(limit.Requests, 1<<40), Of(limit.Money, limit.Unlimited)),
			Takes(limit.TeamScope, "t", Of(limit.Parallel, slots), Of(limit.Money, budget)),
		)
		wg.Go(func() {
			h := &limit.Hold{}
			for range 400 {
				h.Reset()
				least := random.Int64N(20)
				want := least + random.Int64N(50)
				size := &limit.Size{Tokens: limit.Exactly(1), Money: limit.Range{Least: least, Typical: least, Want: want, Worst: want + random.Int64N(200)}}
				if c.Reserve(t.Context(), Epoch, h, takes, size) != nil {
					continue
				}
				admitted.Add(1)
				if n := money.Add(h.Money); n > budget {
					t.Errorf("%d promised and spent of %d", n, budget)
				}
				if n := running.Add(1); n > slots {
					t.Errorf("%d calls in flight, want at most %d", n, slots)
				}
				cost := random.Int64N(h.Money + 1)
				// Ours goes down first: from when the counter knows, others may take it.
				money.Add(cost - h.Money)
				running.Add(-1)
				c.Settle(h, &limit.Actual{Requests: 1, Tokens: 1, Money: gateway.NanoUSD(cost)})
			}
		})
	}
	wg.Wait()
	left := budget - money.Load()
	all := Takes(limit.TeamScope, "t", Of(limit.Parallel, slots), Of(limit.Money, budget))
	if admitted.Load() < 100 {
		t.Errorf("only %d calls were admitted", admitted.Load())
	}
	must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, all, Exactly(1, left+1)), &all[1])
	must(t, c.Reserve(t.Context(), Epoch, &limit.Hold{}, all, Exactly(1, left)), nil)
}
