package limit

import (
	"slices"
	"sync/atomic"
	"time"
)

// Hold is what one call has reserved. It is settled or released exactly once;
// later calls do nothing. The zero Hold is ready for Reserve.
type Hold struct {
	// Session is the session of the call, "" if it has none, and Tags are its
	// tags: set them before Reserve, for limits on those within a key.
	Session string
	Tags    []string
	// Money is what was promised to the call, in nano-USD.
	Money int64
	// Capped says that the call must not cost more than Money: the budgets have
	// no room for the worst it may come to.
	Capped bool
	// Overshoot is how far settling went over a budget, in nano-USD: the
	// provider used more than the bound. Set by Settle.
	Overshoot int64
	// Would are the limits in shadow mode that would have refused the call.
	Would []Refusal
	// Charges are the budget windows, without lifetimes, in which the call's
	// cost counts. Settle adds those of budgets that were set while it ran.
	Charges []Charge
	// Reached are the soft budgets that were reached by this call. Set by Settle.
	Reached []Reached

	// All of a call's bookkeeping, which the caller may use again for another
	// call: nothing is allocated once it has grown.
	takes    []Take
	entries  []entry
	cells    []*cell
	tightest [families]int // which entries, -1 for none
	admitted time.Time
	settled  atomic.Bool

	// Of shared limits: what the call waits for, and whether it has waited long
	// enough.
	joins []join
	late  bool
}

// join is a lease that has too little for the call.
type join struct {
	lease      *lease
	need, wish int64
	round      *round
}

// claim returns the round in which the call has asked for more of the lease, if
// it has: it comes for it now.
func (h *Hold) claim(le *lease) *round {
	for i := range h.joins {
		if j := &h.joins[i]; j.lease == le && j.round != nil {
			le.leave(j.round, j.need)
			return j.round
		}
	}
	return nil
}

// Reset makes h ready for another call. It must have been settled.
func (h *Hold) Reset() {
	h.Money, h.Capped, h.Overshoot = 0, false, 0
	h.Session, h.Tags = "", nil
	h.Would, h.Reached, h.Charges = nil, nil, h.Charges[:0]
	h.takes, h.entries, h.cells = h.takes[:0], h.entries[:0], h.cells[:0]
	h.tightest = [families]int{-1, -1}
	h.joins, h.late = h.joins[:0], false
	h.settled.Store(false)
}

// wait drops what the call has asked for before, the first n joins, but keeps
// what it was given and has no use for before the rest is there. Its cells are
// locked.
func (h *Hold) wait(n int) {
	kept := h.joins[:0]
	for i, j := range h.joins {
		switch {
		case i >= n:
			kept = append(kept, j)
		case j.round.ended && !j.round.failed && h.holds(j.lease) && !slices.ContainsFunc(h.joins[n:], func(o join) bool { return o.lease == j.lease }):
			j.lease.owed += j.need
			kept = append(kept, j)
		}
	}
	h.joins = kept
}

// holds reports whether the lease's cell is locked for this call.
func (h *Hold) holds(le *lease) bool {
	return slices.ContainsFunc(h.cells, func(c *cell) bool { return &c.mu == le.mu })
}

// Recorded says that the settled call is in the journal: from now on the ledger
// vouches for what it cost, and a lease need not hold it once that is booked.
func (h *Hold) Recorded() {
	for i := range h.entries {
		e := &h.entries[i]
		if e.unsure {
			e.cell.mu.Lock()
			e.cell.unsure--
			e.cell.mu.Unlock()
			e.unsure = false
		}
		if e.lease == nil || e.used == 0 || e.take.Limit.Kind != Money {
			continue
		}
		e.lease.mu.Lock()
		e.lease.ended -= e.used
		e.lease.settled += e.used
		e.lease.mu.Unlock()
		e.used = 0
	}
}

// entry is what a call has of one limit.
type entry struct {
	cell   *cell
	lease  *lease
	take   Take
	meter  int
	taken  int64
	used   int64 // of a leased budget, once settled
	unsure bool  // settled money that the journal may not have yet
	left   int64 // after this call was admitted
	second int64 // of sliding kinds
	start  time.Time
	reset  time.Duration // of sliding kinds: until something comes back
}

// Charge is a budget window by the names of the ledger.
type Charge struct {
	Scope, ID, Duration string
	Start               time.Time
	// Own says that it is the scope's own budget (max_budget with
	// budget_duration), not one of several or for one model.
	Own bool
}

// Reached is a soft budget that a call has reached, the first in its window.
type Reached struct {
	Set   *Set
	Limit *Limit
	Used  int64
	Start time.Time // of the window; zero for a lifetime
}

// Left is what a limit has left after a call was admitted.
type Left struct {
	Set    *Set
	Limit  *Limit
	Amount int64
	Left   int64
	// Reset is how long it takes until some of what is used comes back; 0 if
	// that is not known.
	Reset time.Duration
}

// Each calls f for every limit the call passed, without those that only count.
func (h *Hold) Each(f func(Left)) {
	for i := range h.entries {
		if e := &h.entries[i]; e.take.Limit.Amount != Unlimited {
			f(Left{e.take.Set, e.take.Limit, e.take.Limit.AmountAt(h.admitted), max(e.left, 0), e.reset})
		}
	}
}

// WindowStart returns the start of the window of the scope's own budget in
// which the call is counted; zero for a lifetime budget or a scope that does
// not apply.
func (h *Hold) WindowStart(k ScopeKind) time.Time {
	for i := range h.Charges {
		if c := &h.Charges[i]; c.Own && c.Scope == Scopes[k].Books {
			return c.Start
		}
	}
	return time.Time{}
}
