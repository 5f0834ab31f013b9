package limit

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
)

// Hold is what one call has reserved. It is settled or released exactly once;
// later calls do nothing. The zero Hold is ready for Reserve.
type Hold struct {
	// Money is what was reserved, in nano-USD.
	Money int64
	// Capped says that the call must not cost more than Money: the budget has
	// no room for the worst it may come to.
	Capped bool
	// Overshoot is how far settling went over a budget, in nano-USD: the
	// provider used more than the bound. Set by Settle.
	Overshoot int64

	// All of a call's bookkeeping in one piece of memory, which the caller may
	// use again for another call.
	takes   []Take
	entries []entry
	cells   []*cell
	settled atomic.Bool

	takesBuf   [maxInline]Take
	entriesBuf [maxInline]entry
	cellsBuf   [scopeKinds]*cell
}

// maxInline is how many limits a call can have without an allocation.
const maxInline = 16

// Reset makes h ready for another call. It must have been settled. It does not
// clear the buffers: three kilobytes a call, for nothing.
func (h *Hold) Reset() {
	h.Money, h.Capped, h.Overshoot = 0, false, 0
	h.takes, h.entries, h.cells = nil, nil, nil
	h.settled.Store(false)
}

type entry struct {
	cell    *cell
	meter   int
	take    *Take
	taken   int64
	exposed int64
	left    int64 // after this call was admitted
	second  int64
	start   time.Time
}

// WindowStart returns the start of the budget window in which the call of this
// scope is counted; zero for a lifetime budget or a scope that does not apply.
func (h *Hold) WindowStart(k ScopeKind) time.Time {
	for i := range h.entries {
		if e := &h.entries[i]; e.take.Kind == Money && e.take.Scope.Kind == k {
			return e.start
		}
	}
	return time.Time{}
}

// Left is what a limit has left after a call was admitted.
type Left struct {
	Scope  Scope
	Kind   Kind
	Amount int64
	Left   int64
}

// Each calls f for every limit the call passed, without those that only count.
func (h *Hold) Each(f func(Left)) {
	for i := range h.entries {
		if e := &h.entries[i]; e.take.Amount != Unlimited {
			f(Left{e.take.Scope, e.take.Kind, e.take.Amount, max(e.left, 0)})
		}
	}
}

// Refusal says which limit refused a call, and why.
type Refusal struct {
	Take
	Used       int64
	Reserved   int64
	Asked      int64
	RetryAfter time.Duration // until trying again makes sense; 0 if waiting does not help
}

func (m *meter) refusal(t *Take, r Range, now time.Time) *Refusal {
	f := &Refusal{Take: *t, Asked: r.Least, Used: m.used, Reserved: m.reserved}
	switch {
	case m.ring != nil:
		f.Used = m.ring.sum
		f.RetryAfter = m.ring.wait(r.Least, t.Amount, now)
	case t.Kind == Money:
		if !m.end.IsZero() {
			f.RetryAfter = m.end.Sub(now)
		}
		if m.reserved > 0 && m.used+r.Least <= t.Amount {
			f.RetryAfter = time.Second // calls in flight hold what is missing
		}
	default:
		f.RetryAfter = time.Second // a slot comes free when a call ends
	}
	return f
}

// Counter keeps the counts. Memory is one; the contract is package limittest.
type Counter interface {
	Reserve(now time.Time, h *Hold, takes []Take, size *Size) *Refusal
	Settle(h *Hold, a *Actual)
}

// Limiter admits calls.
type Limiter struct {
	counter Counter
	now     func() time.Time
}

// New returns a Limiter on c.
func New(c Counter, now func() time.Time) *Limiter { return &Limiter{counter: c, now: now} }

// Reserve admits the call of p and fills in h, or refuses it with a
// *gateway.Error of kind Exceeded or BudgetExceeded. What was reserved is held
// until Settle or Release.
func (l *Limiter) Reserve(h *Hold, p *gateway.Principal, g *Global, size *Size) error {
	h.takes = Takes(h.takesBuf[:0], p, g)
	now := l.now()
	if f := l.counter.Reserve(now, h, h.takes, size); f != nil {
		return f.Error(p, now)
	}
	return nil
}

// Settle replaces the reservation by what the call really used.
func (l *Limiter) Settle(h *Hold, a *Actual) { l.counter.Settle(h, a) }

// Release gives everything back: the call never reached a provider.
func (l *Limiter) Release(h *Hold) { l.counter.Settle(h, &Actual{}) }

// Error renders the refusal for the client. The first sentences are LiteLLM's,
// which clients and dashboards match on; the last adds the numbers behind them.
func (f *Refusal) Error(p *gateway.Principal, now time.Time) *gateway.Error {
	retry := f.RetryAfter
	if retry > 0 && retry < time.Second {
		retry = time.Second
	}
	e := &gateway.Error{Kind: gateway.Exceeded, Type: "throttling_error", RetryAfter: retry}
	if f.Kind == Money {
		usd := func(n int64) string { return gateway.NanoUSD(n).String() }
		e.Kind, e.Type = gateway.BudgetExceeded, "budget_exceeded"
		who := Scopes[f.Scope.Kind].Budget
		switch f.Scope.Kind {
		case KeyScope:
			alias := f.Label
			if alias == "" {
				alias = "key"
			}
			who += fmt.Sprintf("%s (%s)", alias, p.Key.Name)
		case GlobalScope:
		default:
			who += f.Scope.ID
		}
		e.Message = fmt.Sprintf("Budget has been exceeded! %s Current cost: %s, Max budget: %s. In flight: %s, this call needs: %s%s",
			who, usd(f.Used), usd(f.Amount), usd(f.Reserved), usd(f.Asked), f.until(now))
		return e
	}
	name := Kinds[f.Kind].Name
	e.Message = fmt.Sprintf("Rate limit exceeded for %s: %s. Limit type: %s. Current limit: %d, Remaining: %d. Limit resets at: %s. Used: %d, this call needs: %d",
		Scopes[f.Scope.Kind].Name, f.Scope.ID, name, f.Amount, max(f.Amount-f.Used, 0), stamp(now.Add(retry)), f.Used, f.Asked)
	e.Headers = map[string]string{"rate_limit_type": name, "reset_at": stamp(now.Add(retry))}
	if f.Asked > f.Amount {
		// No waiting helps; a client that retries would do so for ever.
		e.RetryAfter = 0
		e.Message += ", which is more than the limit allows at any time"
		delete(e.Headers, "reset_at")
	}
	return e
}

func (f *Refusal) until(now time.Time) string {
	if f.RetryAfter <= time.Second {
		return ""
	}
	return ". The budget starts anew at " + stamp(now.Add(f.RetryAfter))
}

func stamp(t time.Time) string {
	// Rounded up: a client that waits until then must not come too early.
	return t.Add(time.Second-1).UTC().Truncate(time.Second).Format("2006-01-02 15:04:05") + " UTC"
}

// headerNames are the canonical names of the headers that tell what is left,
// by scope and kind: joining them anew for every call cost 4 us.
var headerNames = func() (names [scopeKinds][kinds][2]string) {
	for s := range names {
		for k := range names[s] {
			base := "x-ratelimit-" + Scopes[s].Name
			names[s][k] = [2]string{
				http.CanonicalHeaderKey(base + "-limit-" + Kinds[k].Name), http.CanonicalHeaderKey(base + "-remaining-" + Kinds[k].Name),
			}
		}
	}
	return names
}()

// AppendHeaders calls set for the headers that tell a client what it has left.
// The names are canonical.
func (h *Hold) AppendHeaders(set func(name string, n int64)) {
	h.Each(func(l Left) {
		if l.Kind == Money {
			return
		}
		names := &headerNames[l.Scope.Kind][l.Kind]
		set(names[0], l.Amount)
		set(names[1], l.Left)
	})
}
