package limit_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
)

// mortal is the way to the shared store of a process that may die: then nothing
// it says arrives any more.
type mortal struct {
	limit.Shared
	dead atomic.Bool
}

var errDead = errors.New("the process is dead")

func (m *mortal) Apply(ctx context.Context, replica string, asks []limit.Ask) ([]limit.Grant, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.Shared.Apply(ctx, replica, asks)
}

func (m *mortal) Beat(ctx context.Context, replica string) (limit.Pulse, error) {
	if m.dead.Load() {
		return limit.Pulse{}, errDead
	}
	return m.Shared.Beat(ctx, replica)
}

func (m *mortal) Leave(ctx context.Context, replica string) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Shared.Leave(ctx, replica)
}

// The limits that the fleet shares.
const fleetRPM, fleetSlots, fleetBudget = 25, 6, 4000

// fleet is three replicas that share limits, and every call that any of them
// has ever admitted.
type fleet struct {
	store    *limittest.Store
	ledger   limittest.Ledger
	replicas [3]*limit.Leases
	ways     [3]*mortal
	takes    [3][]limit.Take
	calls    []*fleetCall
}

type fleetCall struct {
	replica int
	at      time.Time
	hold    *limit.Hold
	cost    int64 // promised, or spent if over
	over    bool
}

func (f *fleet) start(i int, reborn bool) {
	f.ways[i] = &mortal{Shared: f.store}
	f.replicas[i] = limit.NewLeases(limit.LeaseOptions{
		Shared: f.ways[i], Ledger: &f.ledger, Replica: string(rune('a' + i)), Reborn: reborn, Deadline: 10 * time.Second,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	f.takes[i] = limittest.Takes(limit.TeamScope, "t", limittest.Of(limit.Requests, fleetRPM), limittest.Of(limit.Parallel, fleetSlots), limittest.Of(limit.Money, fleetBudget))
}

// sums adds up what is taken of each limit by all replicas.
func (f *fleet) sums() (rate, running, money int64) {
	for _, c := range f.calls {
		if c.at.Unix() > time.Now().Unix()-60 {
			rate++
		}
		if !c.over {
			running++
		}
		money += c.cost
	}
	return rate, running, money
}

func (f *fleet) reserve(t *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(t, "replica")
	least := rapid.Int64Range(0, 40).Draw(t, "least")
	want := least + rapid.Int64Range(0, 80).Draw(t, "want")
	size := &limit.Size{Money: limit.Range{Least: least, Typical: least, Want: want, Worst: want + rapid.Int64Range(0, 400).Draw(t, "worst")}}
	h := &limit.Hold{}
	now := time.Now()
	if f.replicas[i].Reserve(t.Context(), now, h, f.takes[i], size) != nil {
		return
	}
	f.calls = append(f.calls, &fleetCall{replica: i, at: now, hold: h, cost: h.Money})
	if rate, running, money := f.sums(); rate > fleetRPM || running > fleetSlots || money > fleetBudget {
		t.Fatalf("%d requests in a minute of %d, %d in flight of %d, %d promised and spent of %d", rate, fleetRPM, running, fleetSlots, money, fleetBudget)
	}
}

// end ends a call at a cost.
func (f *fleet) end(c *fleetCall, cost int64) {
	c.over, c.cost = true, cost
	f.ledger.Book(limit.Account{Set: limit.Scope{Kind: limit.TeamScope, ID: "t"}, Scope: "team", ID: "t"}, cost)
}

// done has the replica that runs the call settle it, and books it.
func (f *fleet) done(c *fleetCall, cost int64) {
	f.replicas[c.replica].Settle(c.hold, &limit.Actual{Requests: 1, Money: gateway.NanoUSD(cost)})
	f.end(c, cost)
	c.hold.Recorded()
}

func (f *fleet) settle(t *rapid.T) {
	var open []*fleetCall
	for _, c := range f.calls {
		if !c.over {
			open = append(open, c)
		}
	}
	if len(open) == 0 {
		t.Skip("no call is running")
	}
	c := rapid.SampledFrom(open).Draw(t, "call")
	f.done(c, rapid.Int64Range(0, c.cost).Draw(t, "cost"))
}

// crash kills a replica and starts it again on its data: what ran is booked at
// something within its promise first, as the journal knows it.
func (f *fleet) crash(t *rapid.T) {
	i := rapid.IntRange(0, 2).Draw(t, "replica")
	f.ways[i].dead.Store(true)
	_ = f.replicas[i].Stop(t.Context()) // it cannot give anything back
	// No program starts in no time.
	time.Sleep(rapid.SampledFrom([]time.Duration{50 * time.Millisecond, time.Second, 10 * time.Second}).Draw(t, "starts again after"))
	for _, c := range f.calls {
		if c.replica == i && !c.over {
			f.end(c, rapid.Int64Range(0, c.cost).Draw(t, "booked"))
		}
	}
	f.start(i, true)
}

func (f *fleet) pass(t *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{
		time.Millisecond, 60 * time.Millisecond, time.Second, 7 * time.Second, 15 * time.Second, time.Minute, 68 * time.Second,
	}).Draw(t, "pass"))
}

// bubbled is a test without a deadline: in a bubble there is no such time.
type bubbled struct{ testing.TB }

// Whatever calls and crashes there are: three replicas together never admit more
// than one would, and when all has been quiet nothing is left stranded.
func TestReplicasTogetherKeepTheLimits(t *testing.T) {
	checks(t, 50)
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(t *rapid.T) {
			f := &fleet{store: limittest.NewStore(time.Now)}
			for i := range f.replicas {
				f.start(i, false)
			}
			defer func() {
				for _, r := range f.replicas {
					_ = r.Stop(context.WithoutCancel(t.Context()))
				}
			}()
			t.Repeat(map[string]func(*rapid.T){
				"reserve": f.reserve, "reserve another": f.reserve, "reserve a third": f.reserve,
				"settle": f.settle, "settle another": f.settle, "crash": f.crash, "time passes": f.pass,
			})
			for _, c := range f.calls {
				if !c.over {
					f.done(c, c.cost)
				}
			}
			_, _, money := f.sums()
			i := rapid.IntRange(0, 2).Draw(t, "last")
			all := limittest.Exactly(0, fleetBudget-money)
			var refused *limit.Refusal
			// What a dead process held of a budget may be withheld for an hour.
			for _, quiet := range []time.Duration{2 * time.Minute, limit.Withheld + time.Minute} {
				time.Sleep(quiet)
				if refused = f.replicas[i].Reserve(t.Context(), time.Now(), &limit.Hold{}, f.takes[i], all); refused == nil {
					return
				}
			}
			t.Fatalf("%d are left when all is quiet, and refused: %+v", fleetBudget-money, refused)
		})
	})
}
