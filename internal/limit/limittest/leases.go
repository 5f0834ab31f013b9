package limittest

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/limit"
)

// Clock is a clock that a test moves.
type Clock struct{ ns atomic.Int64 }

// NewClock returns a clock that stands at t.
func NewClock(t time.Time) *Clock {
	c := &Clock{}
	c.Set(t)
	return c
}

// Now returns where the clock stands.
func (c *Clock) Now() time.Time { return time.Unix(0, c.ns.Load()).UTC() }

// Set moves the clock, never back.
func (c *Clock) Set(t time.Time) {
	for was := c.ns.Load(); t.UnixNano() > was; was = c.ns.Load() {
		if c.ns.CompareAndSwap(was, t.UnixNano()) {
			return
		}
	}
}

// Ledger is a ledger that books what it is told.
type Ledger struct {
	Own bool // every replica has its own

	mu    sync.Mutex
	spent map[limit.Account]int64
	err   error
}

// Book adds to what is booked.
func (l *Ledger) Book(a limit.Account, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spent == nil {
		l.spent = map[limit.Account]int64{}
	}
	l.spent[a] += n
}

// Fail makes the ledger fail, until err is nil.
func (l *Ledger) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// Flush implements limit.Ledger.
func (l *Ledger) Flush(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Spent implements limit.Ledger.
func (l *Ledger) Spent(_ context.Context, accounts []limit.Account) ([]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]int64, len(accounts))
	for i, a := range accounts {
		out[i] = l.spent[a]
	}
	return out, l.err
}

// Common implements limit.Ledger.
func (l *Ledger) Common() bool { return !l.Own }

// Replica returns a replica's leases of the store, which end with the test.
func Replica(t *testing.T, name string, s limit.Shared, l limit.Ledger, now func() time.Time, change func(*limit.LeaseOptions)) *limit.Leases {
	t.Helper()
	o := limit.LeaseOptions{Shared: s, Ledger: l, Replica: name, Deadline: 10 * time.Second, Log: slog.New(slog.DiscardHandler), Now: now}
	if change != nil {
		change(&o)
	}
	c := limit.NewLeases(o)
	t.Cleanup(func() {
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop %s: %v", name, err)
		}
	})
	return c
}

// RunLeases plays the contract of limit.Counter against leases of what open
// opens: a store that nobody has used, on the clock now.
func RunLeases(t *testing.T, open func(t *testing.T, now func() time.Time) limit.Shared) {
	Run(t, func(t *testing.T) limit.Counter {
		clock := NewClock(Epoch)
		return &clocked{Replica(t, "one", unforgetting{open(t, clock.Now)}, &Ledger{}, clock.Now, nil), clock}
	})
}

// unforgetting knows every replica, though the clock jumps by hours.
type unforgetting struct{ limit.Shared }

func (u unforgetting) Beat(ctx context.Context, replica string) (limit.Pulse, error) {
	p, err := u.Shared.Beat(ctx, replica)
	p.Known = true
	return p, err
}

// clocked moves the clock to the time of each call.
type clocked struct {
	*limit.Leases
	clock *Clock
}

func (c *clocked) Reserve(ctx context.Context, now time.Time, h *limit.Hold, takes []limit.Take, size *limit.Size) *limit.Refusal {
	c.clock.Set(now)
	return c.Leases.Reserve(ctx, now, h, takes, size)
}
