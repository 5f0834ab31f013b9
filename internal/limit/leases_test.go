package limit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
)

func TestLeasesKeepTheContract(t *testing.T) {
	limittest.RunLeases(t, func(_ *testing.T, now func() time.Time) limit.Shared { return limittest.NewStore(now) })
}

func TestStoreInMemory(t *testing.T) {
	limittest.RunShared(t, func(_ *testing.T, now func() time.Time) limit.Shared { return limittest.NewStore(now) })
}

// line is a replica's way to the store, which can be cut.
type line struct {
	limit.Shared
	cut atomic.Bool
}

var errCut = errors.New("cut off")

func (l *line) Apply(ctx context.Context, replica string, asks []limit.Ask) ([]limit.Grant, error) {
	if l.cut.Load() {
		return nil, errCut
	}
	return l.Shared.Apply(ctx, replica, asks)
}

func (l *line) Beat(ctx context.Context, replica string) (limit.Pulse, error) {
	if l.cut.Load() {
		return limit.Pulse{}, errCut
	}
	return l.Shared.Beat(ctx, replica)
}

func (l *line) Recall(ctx context.Context, m limit.Meter) error {
	if l.cut.Load() {
		return errCut
	}
	return l.Shared.Recall(ctx, m)
}

func (l *line) Leave(ctx context.Context, replica string) error {
	if l.cut.Load() {
		return errCut
	}
	return l.Shared.Leave(ctx, replica)
}

// cluster is replicas that share a store, what they do, and the truth about it.
type cluster struct {
	t        *testing.T
	store    *limittest.Store
	replicas []*replica
	policy   limit.Policy

	mu     sync.Mutex
	booked int64           // what the ledger has
	used   map[int64]int64 // requests by second
}

// replica is one process; it dies and starts again on its journal.
type replica struct {
	w       *cluster
	name    string
	line    *line
	leases  *limit.Leases
	takes   []limit.Take
	journal int64 // not booked yet
	calls   []*call
}

type call struct {
	hold limit.Hold
}

// The limits: all small, so that replicas meet at them.
const (
	clusterMoney    = 400
	clusterRequests = 40
	clusterParallel = 9
)

func (r *replica) start() {
	r.line = &line{Shared: r.w.store}
	r.takes = limittest.Takes(limit.KeyScope, "k",
		limittest.Of(limit.Requests, clusterRequests), limittest.Of(limit.Parallel, clusterParallel), limittest.Of(limit.Money, clusterMoney))
	p := map[limit.Kind]limit.Policy{limit.Requests: r.w.policy, limit.Parallel: r.w.policy, limit.Money: r.w.policy}
	r.leases = limit.NewLeases(limit.LeaseOptions{
		Shared: r.line, Ledger: r, Replica: r.name, Reborn: true, Policies: p, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
}

// Flush implements limit.Ledger.
func (r *replica) Flush(context.Context) error {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.booked += r.journal
	r.journal = 0
	return nil
}

// Spent implements limit.Ledger.
func (r *replica) Spent(_ context.Context, accounts []limit.Account) ([]int64, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	out := make([]int64, len(accounts))
	for i := range out {
		out[i] = r.w.booked
	}
	return out, nil
}

// Common implements limit.Ledger.
func (r *replica) Common() bool { return true }

// die is kill -9: its connections are cut, and what it knew is gone but for its
// journal, where its calls stand at what they were promised.
func (r *replica) die() {
	r.line.cut.Store(true)
	if err := r.leases.Stop(r.w.t.Context()); err != nil && !errors.Is(err, errCut) {
		r.w.t.Error(err)
	}
	for _, c := range r.calls {
		r.journal += c.hold.Money
	}
	r.calls = nil
}

func (r *replica) reserve(size *limit.Size) bool {
	c := &call{}
	if r.leases.Reserve(r.w.t.Context(), time.Now(), &c.hold, r.takes, size) != nil {
		return false
	}
	r.w.mu.Lock()
	r.w.used[time.Now().Unix()]++
	r.w.mu.Unlock()
	r.calls = append(r.calls, c)
	return true
}

func (r *replica) settle(i int, part float64) {
	c := r.calls[i]
	r.calls = append(r.calls[:i:i], r.calls[i+1:]...)
	cost := int64(float64(c.hold.Money) * part)
	r.leases.Settle(&c.hold, &limit.Actual{Requests: 1, Money: gateway.NanoUSD(cost)})
	r.w.mu.Lock()
	r.journal += cost
	r.w.mu.Unlock()
	c.hold.Recorded()
}

// check compares with the truth: nothing is ever over its limit.
func (w *cluster) check(what string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	money, parallel, now := w.booked, 0, time.Now().Unix()
	for _, r := range w.replicas {
		money += r.journal
		parallel += len(r.calls)
		for _, c := range r.calls {
			money += c.hold.Money
		}
	}
	requests := int64(0)
	for s, n := range w.used {
		if s > now-60 {
			requests += n
		}
	}
	if money > clusterMoney || requests > clusterRequests || parallel > clusterParallel {
		w.t.Fatalf("after %s: %d of %d money, %d of %d requests a minute, %d of %d at once", what, money, clusterMoney, requests, clusterRequests, parallel, clusterParallel)
	}
}

// Whatever replicas do and whatever becomes of them, together they stay within
// every limit; and when all is quiet again, nothing of a limit is lost.
func TestLeasesNeverAddUpToMoreThanThereIs(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { interleave(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func interleave(t *testing.T, rng *rand.Rand) {
	w := &cluster{t: t, store: limittest.NewStore(time.Now), used: map[int64]int64{}, policy: limit.Closed}
	for i := range 3 {
		r := &replica{w: w, name: fmt.Sprint("r", i)}
		w.replicas = append(w.replicas, r)
		r.start()
	}
	time.Sleep(time.Second) // they meet
	resume := func() {}
	paused := false
	for range 150 {
		r := w.replicas[rng.IntN(3)]
		what := "a pause"
		switch n := rng.IntN(100); {
		case n < 45:
			least := 1 + rng.Int64N(5)
			size := &limit.Size{Money: limit.Range{Least: least, Typical: least + 1, Want: least + 5, Worst: least + 30}}
			what = "a reservation"
			if rng.IntN(3) == 0 { // several replicas at once
				what = "reservations at once"
				var wg sync.WaitGroup
				for _, r := range w.replicas {
					wg.Go(func() { r.reserve(size) })
				}
				wg.Wait()
			} else {
				r.reserve(size)
			}
		case n < 75:
			if len(r.calls) > 0 {
				r.settle(rng.IntN(len(r.calls)), rng.Float64())
				what = "a settlement"
			}
		case n < 92:
			time.Sleep([]time.Duration{time.Millisecond, 30 * time.Millisecond, 300 * time.Millisecond, time.Second, 7 * time.Second}[rng.IntN(5)])
		case n < 94:
			r.die()
			time.Sleep(time.Duration(rng.Int64N(int64(8 * time.Second))))
			_ = r.Flush(t.Context()) // its journal is booked before anything else
			r.start()
			what = "a crash"
		case n < 96 && !paused:
			resume, paused = w.store.Pause(), true
			what = "the store's pause"
		case n < 99 && paused:
			resume()
			paused = false
			what = "the store's return"
		}
		synctest.Wait()
		w.check(what)
	}
	if paused {
		resume()
	}
	for _, r := range w.replicas {
		for len(r.calls) > 0 {
			r.settle(0, 1)
		}
	}
	time.Sleep(90 * time.Second)
	w.check("the end")

	// All that is left of the budget can be had on one replica, and all slots.
	r := w.replicas[0]
	left := clusterMoney - w.booked
	size := &limit.Size{Money: limit.Exactly(max(left, 1))}
	if ok := r.reserve(size); ok != (left > 0) {
		t.Errorf("%d are left of the budget; admitted: %v", left, ok)
	}
	for _, r := range w.replicas {
		for len(r.calls) > 0 {
			r.settle(0, 0)
		}
		if err := r.leases.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// counted refuses to be asked without end.
type counted struct {
	limit.Shared
	most  int64
	asked atomic.Int64
}

func (c *counted) Apply(ctx context.Context, replica string, asks []limit.Ask) ([]limit.Grant, error) {
	if c.asked.Add(1) > c.most {
		<-ctx.Done() // or time would stand still for ever
		return nil, ctx.Err()
	}
	return c.Shared.Apply(ctx, replica, asks)
}

// Whoever asks for what a dead replica holds hears nothing: he waits until the
// deadline, and does not ask the store over and over meanwhile.
func TestWhoIsShortDoesNotStormTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, ledger := limittest.NewStore(time.Now), &limittest.Ledger{}
		takes := func() []limit.Take {
			return limittest.Takes(limit.KeyScope, "k", limittest.Of(limit.Parallel, 10), limittest.Of(limit.Money, 400))
		}
		way := &line{Shared: store}
		dead := limittest.Replica(t, "dead", way, ledger, time.Now, nil)
		var first limit.Hold
		if f := dead.Reserve(t.Context(), time.Now(), &first, takes(), &limit.Size{Money: limit.Exactly(100)}); f != nil {
			t.Fatal(f)
		}
		time.Sleep(time.Second)
		dead.Settle(&first, &limit.Actual{Requests: 1, Money: 10}) // the rest of its promise lies unused
		time.Sleep(250 * time.Millisecond)
		way.cut.Store(true)

		const most = 40
		c := &counted{Shared: store, most: most}
		alive := limittest.Replica(t, "alive", c, ledger, time.Now, func(o *limit.LeaseOptions) { o.Deadline = 50 * time.Millisecond })
		start := time.Now()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				var h limit.Hold
				if f := alive.Reserve(t.Context(), time.Now(), &h, takes(), &limit.Size{Money: limit.Exactly(390)}); f == nil {
					t.Error("admitted on money that another replica holds")
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 60*time.Millisecond {
			t.Errorf("waited %v, over the deadline", took)
		}
		if n := c.asked.Load(); n > most {
			t.Errorf("the store was asked more than %d times in the deadline", most)
		}
	})
}

// A replica that is alone keeps a limit exactly while the store is away: what
// a call has reserved and not used can be had again, and refusals and headers
// say what is left.
func TestAloneWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := limittest.NewStore(time.Now)
		c := limittest.Replica(t, "alone", store, &limittest.Ledger{}, time.Now, func(o *limit.LeaseOptions) { o.Deadline = 50 * time.Millisecond })
		known := limittest.Takes(limit.KeyScope, "known", limittest.Of(limit.Tokens, 100), limittest.Of(limit.Requests, 4))
		call := func(takes []limit.Take, tokens, used int64) (left []int64, f *limit.Refusal) {
			t.Helper()
			var h limit.Hold
			if f := c.Reserve(t.Context(), time.Now(), &h, takes, limittest.Exactly(tokens, 0)); f != nil {
				return nil, f
			}
			h.Each(func(l limit.Left) { left = append(left, l.Left) })
			c.Settle(&h, &limit.Actual{Requests: 1, Tokens: used})
			return left, nil
		}
		if _, f := call(known, 20, 10); f != nil {
			t.Fatal(f)
		}
		time.Sleep(2 * time.Second)
		store.Fail(errors.New("away"))
		time.Sleep(2 * time.Second) // a beat is missed
		for _, tt := range []struct {
			name  string
			takes []limit.Take
			used  int64 // before
		}{
			{"a limit that the store has told of", known, 10},
			{"one that it has not", limittest.Takes(limit.KeyScope, "unknown", limittest.Of(limit.Tokens, 100), limittest.Of(limit.Requests, 3)), 0},
		} {
			left, f := call(tt.takes, 90-tt.used, 30)
			if f != nil {
				t.Fatalf("%s: %+v", tt.name, f)
			}
			if want := []int64{10, 2}; !slices.Equal(left, want) {
				t.Errorf("%s: %v are left, want %v", tt.name, left, want)
			}
			_, f = call(tt.takes, 71-tt.used, 0)
			if f == nil || f.Used != 30+tt.used || f.Amount != 100 || f.RetryAfter <= 0 {
				t.Errorf("%s: one token too many is refused with %+v, want %d used", tt.name, f, 30+tt.used)
			}
			if _, f = call(tt.takes, 70-tt.used, 70-tt.used); f != nil {
				t.Errorf("%s: what was not used cannot be had: %+v", tt.name, f)
			}
			if _, f = call(tt.takes, 1, 1); f == nil || f.Used != 100 {
				t.Errorf("%s: all is used: %+v", tt.name, f)
			}
		}
	})
}

// told is a ledger whose one sum a test sets.
type told struct{ sum atomic.Int64 }

func (l *told) Flush(context.Context) error { return nil }
func (l *told) Common() bool                { return true }
func (l *told) Spent(_ context.Context, accounts []limit.Account) ([]int64, error) {
	out := make([]int64, len(accounts))
	for i := range out {
		out[i] = l.sum.Load()
	}
	return out, nil
}

// An import adds to what is booked behind the back of a lease, whose books are
// read every ten seconds only.
func TestALeaseHearsThatTheBooksHaveChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		books := &told{}
		l := limittest.Replica(t, "one", limittest.NewStore(time.Now), books, time.Now, nil)
		takes := limittest.Takes(limit.KeyScope, "k", limittest.Of(limit.Money, 400))
		reserve := func() *limit.Refusal {
			var h limit.Hold
			f := l.Reserve(t.Context(), time.Now(), &h, takes, &limit.Size{Money: limit.Exactly(100)})
			if f == nil {
				l.Settle(&h, &limit.Actual{Requests: 1})
				h.Recorded()
			}
			return f
		}
		if f := reserve(); f != nil {
			t.Fatal(f)
		}
		time.Sleep(3 * time.Second)
		books.sum.Store(350)
		l.Reread(limit.Scope{Kind: limit.KeyScope, ID: "another"})
		l.Reread(limit.Scope{Kind: limit.KeyScope, ID: "k"})
		synctest.Wait()
		time.Sleep(time.Second) // the store has heard of it
		if f := reserve(); f == nil || f.Used != 350 {
			t.Errorf("100 of 400, of which 350 are booked: %+v", f)
		}
	})
}

// While the store is away, budgets are kept by the books: by what they had when
// the limit was made, and by what they have now.
func TestBudgetsWithoutTheStoreAreKeptByTheBooks(t *testing.T) {
	scope := limit.Scope{Kind: limit.KeyScope, ID: "k"}
	away := errors.New("away")
	for _, tt := range []struct {
		name string
		// before is what happens until the store is away, then what happens after.
		before, then func(t *testing.T, c *limit.Leases, books *booksAlone, call func(cost int64) *limit.Refusal)
		loaded       int64 // what the books had when the limit was made
		room         int64 // of the budget of 100
		spent        int64 // as shown
		sudden       bool  // the next call is the first to find the store away
	}{
		{
			name: "what was booked before this process started counts, though neither answers", loaded: 60, room: 40, spent: 60,
			then: func(_ *testing.T, _ *limit.Leases, books *booksAlone, _ func(int64) *limit.Refusal) {
				books.err.Store(&away)
			},
		},
		{
			name: "what another replica has spent since counts at the first call here", loaded: 0, room: 10, spent: 90,
			before: func(_ *testing.T, _ *limit.Leases, books *booksAlone, _ func(int64) *limit.Refusal) {
				books.sum.Store(90)
			},
		},
		{
			name: "also if that call is the first to find the store away", room: 10, spent: 90, sudden: true,
			before: func(_ *testing.T, _ *limit.Leases, books *booksAlone, _ func(int64) *limit.Refusal) {
				time.Sleep(time.Minute)
				books.sum.Store(90)
			},
		},
		{
			name: "what another replica has spent since the last call here counts", room: 10, spent: 90,
			before: func(t *testing.T, _ *limit.Leases, books *booksAlone, call func(int64) *limit.Refusal) {
				if f := call(5); f != nil {
					t.Fatal(f)
				}
				books.sum.Store(5)
				time.Sleep(2 * time.Minute)
				books.sum.Store(90)
			},
		},
		{
			name: "what is imported while the store is away counts", room: 5, spent: 95,
			before: func(t *testing.T, _ *limit.Leases, books *booksAlone, call func(int64) *limit.Refusal) {
				if f := call(5); f != nil {
					t.Fatal(f)
				}
				books.sum.Store(5)
				time.Sleep(time.Second)
			},
			then: func(_ *testing.T, c *limit.Leases, books *booksAlone, _ func(int64) *limit.Refusal) {
				books.sum.Store(95)
				c.Reread(scope)
				synctest.Wait()
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, books := limittest.NewStore(time.Now), &booksAlone{}
				c := limittest.Replica(t, "one", store, books, time.Now, func(o *limit.LeaseOptions) { o.Deadline = 50 * time.Millisecond })
				l := limittest.Of(limit.Money, 100)
				l.Booked = gateway.Spend{Window: gateway.NanoUSD(tt.loaded)}
				takes := limittest.Takes(limit.KeyScope, "k", l)
				call := func(cost int64) *limit.Refusal {
					var h limit.Hold
					f := c.Reserve(t.Context(), time.Now(), &h, takes, &limit.Size{Money: limit.Exactly(cost)})
					if f == nil {
						c.Settle(&h, &limit.Actual{Requests: 1, Money: gateway.NanoUSD(cost)})
						h.Recorded()
					}
					return f
				}
				if tt.before != nil {
					tt.before(t, c, books, call)
				}
				store.Fail(away)
				if !tt.sudden {
					time.Sleep(2 * time.Second) // a beat is missed
				}
				if tt.then != nil {
					tt.then(t, c, books, call)
				}
				if f := call(tt.room + 1); f == nil || f.Used != tt.spent {
					t.Errorf("one more than is left: %+v, want it refused because %d are spent", f, tt.spent)
				}
				if f := call(tt.room); f != nil {
					t.Errorf("what is left: %+v", f)
				}
				if n, ok := c.Spent(scope, limit.Window{}, time.Now()); n != 100 || !ok {
					t.Errorf("%d are shown as spent, %t, want 100", n, ok)
				}
				if f := call(1); f == nil {
					t.Error("more than all was spent")
				}
				store.Fail(nil)
			})
		})
	}
}

// booksAlone are books whose one sum a test sets, and which may be away too.
type booksAlone struct {
	told
	err atomic.Pointer[error]
}

func (l *booksAlone) Spent(ctx context.Context, accounts []limit.Account) ([]int64, error) {
	if err := l.err.Load(); err != nil {
		return nil, *err
	}
	return l.told.Spent(ctx, accounts)
}

func (l *booksAlone) Flush(context.Context) error {
	if err := l.err.Load(); err != nil {
		return *err
	}
	return nil
}
