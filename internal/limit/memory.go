package limit

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// shards spreads the cells over as many maps, so that calls of different keys
// do not wait for one map's lock. A power of two.
const shards = 64

// Memory counts in this process. A Set remembers its cell, so a call looks for
// none; Sweep drops cells with nothing in them.
type Memory struct {
	calendar atomic.Pointer[Calendar]
	leases   *Leases // of shared limits; nil if this process is alone
	seed     maphash.Seed
	shard    [shards]struct {
		mu    sync.RWMutex
		cells map[Scope]*cell
		_     [32]byte // neighbours in one cache line would slow each other down
	}
}

var _ Counter = (*Memory)(nil)

// NewMemory returns empty counters. Days begin as c says.
func NewMemory(c Calendar) *Memory {
	m := &Memory{seed: maphash.MakeSeed()}
	m.SetCalendar(c)
	for i := range m.shard {
		m.shard[i].cells = map[Scope]*cell{}
	}
	return m
}

// SetCalendar has days begin as c says. Windows that are open end as they would
// have if c says what was before it.
func (m *Memory) SetCalendar(c Calendar) { m.calendar.Store(&c) }

// cell holds the meters of one scope.
type cell struct {
	owner  *Memory
	mu     sync.Mutex
	gone   bool    // dropped: whoever finds it must look for another; guarded by mu
	seen   int64   // Unix second of the last call, of sessions; guarded by mu
	open   int     // calls that hold something here; guarded by mu
	calls  uint64  // that were settled; guarded by mu
	unsure int     // takes of money that are settled and not in the journal yet; guarded by mu
	meters []meter // few: linear search beats a map; guarded by mu
}

func (m *Memory) find(s Scope) *cell {
	sh := &m.shard[maphash.String(m.seed, s.ID)&(shards-1)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.cells[s]
}

// lock returns the set's cell, locked.
func (m *Memory) lock(s *Set) *cell {
	for {
		c := s.cell.Load()
		if c == nil || c.owner != m {
			c = m.cell(s.Scope)
			s.cell.Store(c)
		}
		c.mu.Lock()
		if !c.gone {
			return c
		}
		c.mu.Unlock()
		s.cell.CompareAndSwap(c, nil)
	}
}

func (m *Memory) cell(s Scope) *cell {
	if c := m.find(s); c != nil {
		return c
	}
	sh := &m.shard[maphash.String(m.seed, s.ID)&(shards-1)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c := sh.cells[s]
	if c == nil {
		c = &cell{owner: m}
		sh.cells[s] = c
	}
	return c
}

// Reserve implements Counter.
func (m *Memory) Reserve(_ context.Context, now time.Time, h *Hold, takes []Take, size *Size) *Refusal {
	f, _ := m.reserve(now, h, takes, size)
	return f
}

// reserve also reports whether the call must wait for leases (h.joins), which
// have been asked for, and then try again.
func (m *Memory) reserve(now time.Time, h *Hold, takes []Take, size *Size) (*Refusal, bool) {
	h.entries, h.cells, h.Charges, h.admitted = h.entries[:0], h.cells[:0], h.Charges[:0], now
	defer func() {
		for _, c := range h.cells {
			c.mu.Unlock()
		}
		h.cells = h.cells[:0]
	}()

	// Look first: nothing is written before everything fits. Cells are locked
	// from narrow to wide; takes of one scope stand together.
	money, worst := size.Money.Worst, size.Money.Worst
	var refused *Refusal
	var c *cell
	asked := len(h.joins)
	for i := range takes {
		t := takes[i]
		if i == 0 || t.Set != takes[i-1].Set && t.Set.Scope != takes[i-1].Set.Scope {
			c = m.lock(t.Set)
			h.cells = append(h.cells, c)
		}
		at := c.meter(t, now, m.calendar.Load())
		mt := &c.meters[at]
		if m.leases != nil {
			m.leases.lease(c, mt, t, now)
		}
		r := Kinds[t.Limit.Kind].Before(size)
		mt.learned(&r)
		got, v := mt.room(t.Limit, &r, h, now)
		switch {
		case v == ask:
			h.joins = append(h.joins, join{lease: mt.lease, need: r.Least, wish: got})
		case v == unknown:
			refused = &Refusal{Take: t, Amount: t.Limit.AmountAt(now), Asked: r.Least, Err: errStoreAway}
		case v == no && t.Limit.Shadow:
			h.Would = append(h.Would, *mt.refusal(t, &r, now))
		case v == no && (refused == nil || refused.Limit.Kind != Money && t.Limit.Kind == Money):
			// A budget is told first: waiting a minute would not help.
			refused = mt.refusal(t, &r, now)
		case t.Limit.Kind == Money && !t.Limit.Shadow:
			money = min(money, got)
		}
		h.entries = append(h.entries, entry{cell: c, meter: at, take: t, taken: got})
	}
	if refused != nil {
		h.entries, h.Would, h.joins = h.entries[:0], nil, h.joins[:0]
		return refused, false
	}
	if len(h.joins) > asked {
		h.entries, h.Would = h.entries[:0], nil
		for i := asked; i < len(h.joins); i++ {
			j := &h.joins[i]
			j.round = j.lease.join(j.need, j.wish, m.leases.until(now))
		}
		h.wait(asked)
		return nil, true
	}
	h.joins = h.joins[:0]
	h.tightest = [families]int{-1, -1}
	for i := range h.entries {
		e := &h.entries[i]
		if e.take.Limit.Kind == Money {
			e.taken = money
		}
		e.cell.meters[e.meter].take(e, now)
		if l := e.take.Limit; l.Kind == Money && (!e.start.IsZero() || l.alone()) {
			h.Charges = append(h.Charges, e.take.Limit.charge(e.start))
		}
		if f, ok := e.take.Limit.Kind.family(); ok && (h.tightest[f] < 0 || e.left < h.entries[h.tightest[f]].left) {
			h.tightest[f] = i
		}
	}
	for _, i := range h.tightest {
		if i >= 0 {
			e := &h.entries[i]
			e.reset = e.cell.meters[e.meter].ring.oldest(now)
		}
	}
	for _, c := range h.cells {
		c.open++
	}
	if len(takes) > 0 && takes[0].Set.Scope.Kind == SessionScope {
		h.cells[0].seen = now.Unix()
	}
	h.Money, h.Capped = money, money < worst
	return nil, false
}

// Room implements Counter.
func (m *Memory) Room(now time.Time, takes []Take) (Kind, bool) {
	for _, t := range takes {
		c := m.lock(t.Set)
		ok := c.meters[c.meter(t, now, m.calendar.Load())].any(t.Limit, now)
		c.mu.Unlock()
		if !ok && !t.Limit.Shadow {
			return t.Limit.Kind, false
		}
	}
	return 0, true
}

// Settle implements Counter.
func (m *Memory) Settle(h *Hold, a *Actual) {
	if !h.settled.CompareAndSwap(false, true) {
		return
	}
	h.Charges = h.Charges[:0]
	for i := 0; i < len(h.entries); {
		c := h.entries[i].cell
		c.mu.Lock()
		c.open--
		c.calls++
		// What is spent counts in every window of the scope, also in one that was
		// set while the call ran.
		for j := range c.meters {
			mt := &c.meters[j]
			if mt.kind == Money && mt.model == "" {
				mt.roll(h.admitted, m.calendar.Load())
			}
			if mt.counts(h.admitted) {
				mt.used += int64(a.Money)
				if !mt.start.IsZero() || mt.alone {
					h.Charges = append(h.Charges, Charge{mt.scope, mt.id, mt.duration, mt.start, mt.own})
				}
			}
		}
		for ; i < len(h.entries) && h.entries[i].cell == c; i++ {
			e := &h.entries[i]
			c.meters[e.meter].settle(e, h, a)
			if m.leases == nil && a.Money != 0 && e.take.Limit.Kind == Money {
				e.unsure = true
				c.unsure++
			}
			if l := e.take.Limit; l.Kind == Money && (!e.start.IsZero() || l.alone()) && (l.Model != "" || !c.meters[e.meter].start.Equal(e.start)) {
				h.Charges = append(h.Charges, l.charge(e.start)) // of one model, or of a window that is over
			}
		}
		c.mu.Unlock()
	}
}

// Carry implements Counter.
func (m *Memory) Carry(now time.Time, from, to Take) (start time.Time, more int64) {
	c := m.lock(from.Set)
	defer c.mu.Unlock()
	old := c.meter(from, now, m.calendar.Load())
	next := c.add(to, now, m.calendar.Load())
	c.meters[next].roll(now, m.calendar.Load())
	had := c.meters[next].spentNow()
	more = c.meters[old].spentNow() - had
	c.meter(to, now, m.calendar.Load())
	return c.meters[next].start, more
}

// Spent returns what the scope has spent in the window, as far as this process
// knows, and false if it has not been seen.
func (m *Memory) Spent(s Scope, w Window, now time.Time) (int64, bool) {
	c := m.find(s)
	if c == nil {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.meters {
		if mt := &c.meters[i]; mt.kind == Money && mt.model == "" && mt.window == w {
			mt.roll(now, m.calendar.Load())
			if le := mt.lease; le != nil {
				// The books know better, but for what they do not have yet.
				return le.spent(), le.spent() != le.base
			}
			return mt.used, m.leases == nil
		}
	}
	return 0, false
}

// Standing is where the budgets of a scope stood at a moment.
type Standing struct {
	// Accounts are its budget windows in the ledger.
	Accounts []Account

	cell   *cell
	calls  uint64
	used   []int64
	unsure bool
}

// Standing returns where the budgets of a scope stand, and false if none is
// counted here.
func (m *Memory) Standing(s Scope, now time.Time) (Standing, bool) {
	c := m.find(s)
	if c == nil {
		return Standing{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	st := Standing{cell: c, calls: c.calls, unsure: c.unsure > 0}
	for i := range c.meters {
		if mt := &c.meters[i]; mt.kind == Money {
			mt.roll(now, m.calendar.Load())
			st.Accounts = append(st.Accounts, mt.account(s))
			st.used = append(st.used, mt.used)
		}
	}
	return st, len(st.Accounts) > 0 && !c.gone
}

// account is the meter's window in the ledger.
func (m *meter) account(s Scope) Account {
	return Account{Set: s, Model: m.model, Scope: m.scope, ID: m.id, Window: m.duration, Start: m.start, Further: m.model == "" && !m.own}
}

// Rebase has the scope's counters go on from what the ledger has, if that is more,
// in the order of st.Accounts, Unkept for what it does not keep. It must have been read after st
// and after all that was in the journal then was booked. Rebase does nothing and
// returns false if a call was settled meanwhile that may or may not be in there;
// with anyway it goes by the greater sum then, so that nothing is ever overspent.
func (m *Memory) Rebase(st *Standing, sums []int64, anyway bool) bool {
	c := st.cell
	c.mu.Lock()
	defer c.mu.Unlock()
	exact := !st.unsure && c.unsure == 0 && c.calls == st.calls
	if !exact && !anyway {
		return false
	}
	for i := range c.meters {
		mt := &c.meters[i]
		at := slices.Index(st.Accounts, mt.account(st.Accounts[0].Set))
		switch {
		case mt.kind != Money || at < 0 || sums[at] == Unkept:
		case exact:
			// Where the duration was changed, what was spent before is in no one sum.
			mt.used = max(mt.used, sums[at])
		default:
			mt.used = max(mt.used, sums[at]+max(mt.used-st.used[at], 0))
		}
	}
	return true
}

// SetSpent sets what the scope has spent in its budget window, for an
// administrator who corrects it. A scope that was not seen has no counter yet
// and starts from the store.
func (m *Memory) SetSpent(s Scope, w Window, spent int64) {
	c := m.find(s)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.meters {
		if mt := &c.meters[i]; mt.kind == Money && mt.model == "" && mt.window == w {
			mt.used = spent
		}
	}
}

// Forget drops the counters of a scope that was deleted.
func (m *Memory) Forget(s Scope) {
	sh := &m.shard[maphash.String(m.seed, s.ID)&(shards-1)]
	sh.mu.Lock()
	c := sh.cells[s]
	delete(sh.cells, s)
	sh.mu.Unlock()
	if c != nil {
		c.mu.Lock()
		c.gone = true
		c.mu.Unlock()
	}
}

// Sweep drops the cells that say no more than new ones would: clients choose
// the names of sessions and end users, and must not fill our memory. It returns
// how many are left. Call it every few minutes.
func (m *Memory) Sweep(now time.Time) int {
	left := 0
	for i := range m.shard {
		sh := &m.shard[i]
		sh.mu.Lock()
		for s, c := range sh.cells {
			// A call may hold this cell and wait for the shard.
			if !c.mu.TryLock() {
				left++
				continue
			}
			if c.idle(now) {
				c.gone = true
				delete(sh.cells, s)
			} else {
				left++
			}
			c.mu.Unlock()
		}
		sh.mu.Unlock()
	}
	return left
}

func (c *cell) idle(now time.Time) bool {
	if c.open > 0 {
		return false
	}
	if c.seen > 0 && now.Sub(time.Unix(c.seen, 0)) > sessionTTL {
		return true
	}
	for i := range c.meters {
		if !c.meters[i].idle(now) {
			return false
		}
	}
	return true
}
