package limit

import (
	"hash/maphash"
	"sync"
	"time"
)

// shards spreads the cells over as many maps, so that calls of different keys
// do not wait for one map's lock. A power of two.
const shards = 64

// Memory counts in this process. Its cells live as long as the process: the
// number of scopes that were active bounds its size (about 300 B each).
type Memory struct {
	calendar Calendar
	seed     maphash.Seed
	shard    [shards]struct {
		mu    sync.RWMutex
		cells map[Scope]*cell
		_     [32]byte // neighbours in one cache line would slow each other down
	}
}

// NewMemory returns empty counters. Days begin as c says.
func NewMemory(c Calendar) *Memory {
	m := &Memory{calendar: c, seed: maphash.MakeSeed()}
	for i := range m.shard {
		m.shard[i].cells = map[Scope]*cell{}
	}
	return m
}

// cell holds the meters of one scope.
type cell struct {
	mu     sync.Mutex
	meters []meter // few: linear search beats a map
}

// meter counts one kind in one window.
type meter struct {
	kind   Kind
	window Window

	ring *ring // of sliding kinds
	used int64 // held: in flight; money: committed in the current window

	// Of money only.
	reserved int64
	exposed  int64     // what uncapped calls may come to beyond what they reserved
	start    time.Time // of the current window
	end      time.Time
	total    int64 // ever, as far as this process knows
}

// ring counts per second over the sliding window. It has one second more than
// the window, so that nothing that happened less than 60 s ago is forgotten:
// exact to a second, and never over.
type ring struct {
	at  int64 // Unix second of the newest slot
	sum int64
	n   [ringSize]int64
}

const ringSize = int64(Sliding/time.Second) + 1

func (r *ring) advance(sec int64) {
	if sec <= r.at {
		return
	}
	for s := max(r.at+1, sec-ringSize+1); s <= sec; s++ {
		i := s % ringSize
		r.sum -= r.n[i]
		r.n[i] = 0
	}
	r.at = sec
}

// add puts n into the slot of sec, if that is still in the window.
func (r *ring) add(sec, n int64) {
	if sec > r.at-ringSize && sec <= r.at {
		r.n[sec%ringSize] += n
		r.sum += n
	}
}

// wait returns how long it takes until n fits under amount.
func (r *ring) wait(n, amount int64, now time.Time) time.Duration {
	left := r.sum
	for s := r.at - ringSize + 1; s <= r.at; s++ {
		left -= r.n[s%ringSize]
		if left+n <= amount {
			return time.Unix(s+ringSize, 0).Sub(now)
		}
	}
	return Sliding // more than the whole amount was asked for
}

func (m *Memory) cell(s Scope) *cell {
	sh := &m.shard[maphash.String(m.seed, s.ID)&(shards-1)]
	sh.mu.RLock()
	c := sh.cells[s]
	sh.mu.RUnlock()
	if c != nil {
		return c
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if c = sh.cells[s]; c == nil {
		c = &cell{}
		sh.cells[s] = c
	}
	return c
}

// meter returns the index of the take's meter, making it if it is not there.
// The cell is locked.
func (c *cell) meter(t *Take, now time.Time, cal Calendar) int {
	for i := range c.meters {
		if m := &c.meters[i]; m.kind == t.Kind && m.window == t.Window {
			m.roll(t, now, cal)
			return i
		}
	}
	m := meter{kind: t.Kind, window: t.Window}
	switch Kinds[t.Kind].Span {
	case sliding:
		m.ring = &ring{at: now.Unix()}
	case budget:
		m.start, m.end = t.Window.Bounds(now, t.Anchor, cal)
		if t.Spent != nil {
			m.total = int64(t.Spent.Total)
			if t.Spent.WindowStart.Equal(m.start) || m.start.IsZero() {
				m.used = int64(t.Spent.Window)
			}
		}
		// A budget whose window was changed keeps what calls in flight hold.
		for i := range c.meters {
			if old := &c.meters[i]; old.kind == t.Kind && old.total > m.total {
				m.total = old.total
			}
		}
	}
	c.meters = append(c.meters, m)
	return len(c.meters) - 1
}

func (m *meter) roll(t *Take, now time.Time, cal Calendar) {
	switch {
	case m.ring != nil:
		m.ring.advance(now.Unix())
	case m.kind == Money && !m.end.IsZero() && !now.Before(m.end):
		m.start, m.end = t.Window.Bounds(now, t.Anchor, cal)
		m.used, m.reserved, m.exposed = 0, 0, 0
	}
}

// room returns how much of the range fits under the take's amount, or false.
func (m *meter) room(t *Take, r Range) (int64, bool) {
	if t.Amount == Unlimited {
		return r.Want, true
	}
	var left int64
	switch {
	case m.ring != nil:
		left = t.Amount - m.ring.sum
	default:
		left = t.Amount - m.used - m.reserved
	}
	if m.kind == Money && r.Worst == 0 {
		return 0, true // a call that is free at any size needs no budget
	}
	if r.Least > left {
		return 0, false
	}
	return min(r.Want, left), true
}

// Reserve takes from every limit in takes, or from none. On success it fills
// in h; otherwise it returns what refused. h keeps takes until it is settled.
func (m *Memory) Reserve(now time.Time, h *Hold, takes []Take, size *Size) *Refusal {
	h.entries, h.cells = h.entriesBuf[:0], h.cellsBuf[:0]
	// Lock every cell, narrow to wide. Takes of one scope stand together.
	var last *Scope
	for i := range takes {
		if s := &takes[i].Scope; last == nil || *last != *s {
			c := m.cell(*s)
			c.mu.Lock()
			last = s
			h.cells = append(h.cells, c)
		}
	}
	defer func() {
		for _, c := range h.cells {
			c.mu.Unlock()
		}
		h.cells = h.cells[:0]
	}()

	// Look first: nothing is written before everything fits.
	money := size.Money.Want
	capped := false
	at := -1
	last = nil
	for i := range takes {
		t := &takes[i]
		if last == nil || *last != t.Scope {
			at++
			last = &t.Scope
		}
		c := h.cells[at]
		mi := c.meter(t, now, m.calendar)
		mt := &c.meters[mi]
		r := Kinds[t.Kind].Before(size)
		got, ok := mt.room(t, r)
		if !ok {
			h.entries = h.entries[:0]
			return mt.refusal(t, r, now)
		}
		if t.Kind == Money {
			money = min(money, got)
			if t.Amount != Unlimited && mt.used+mt.reserved+mt.exposed+r.Worst > t.Amount {
				capped = true
			}
		}
		h.entries = append(h.entries, entry{cell: c, meter: mi, take: t})
	}

	exposed := size.Money.Worst - money
	if capped || exposed < 0 {
		exposed = 0
	}
	for i := range h.entries {
		e := &h.entries[i]
		mt := &e.cell.meters[e.meter]
		switch {
		case mt.ring != nil:
			e.taken, e.second = Kinds[e.take.Kind].Before(size).Want, mt.ring.at
			mt.ring.add(e.second, e.taken)
			e.left = e.take.Amount - mt.ring.sum
		case e.take.Kind == Money:
			e.taken, e.exposed, e.start = money, exposed, mt.start
			mt.reserved += money
			mt.exposed += exposed
			e.left = e.take.Amount - mt.used - mt.reserved
		default:
			e.taken = 1
			mt.used++
			e.left = e.take.Amount - mt.used
		}
	}
	h.Money, h.Capped = money, capped
	return nil
}

// Settle replaces what h reserved by what the call used, once. Settling again
// does nothing.
func (m *Memory) Settle(h *Hold, a *Actual) {
	if !h.settled.CompareAndSwap(false, true) {
		return
	}
	for i := range h.entries {
		e := &h.entries[i]
		used := Kinds[e.take.Kind].After(a)
		e.cell.mu.Lock()
		switch mt := &e.cell.meters[e.meter]; {
		case mt.ring != nil:
			mt.ring.add(e.second, used-e.taken)
		case e.take.Kind == Money:
			mt.total += used
			// Money of a window that is over belongs to that window.
			if mt.start.Equal(e.start) {
				mt.reserved -= e.taken
				mt.exposed -= e.exposed
				mt.used += used
				if e.take.Amount != Unlimited && mt.used > e.take.Amount {
					h.Overshoot = max(h.Overshoot, min(used-e.taken, mt.used-e.take.Amount))
				}
			}
		default:
			mt.used--
		}
		e.cell.mu.Unlock()
	}
}

// Spent returns what the scope has spent in the window and ever, as far as
// this process knows, and false if it has not been seen.
func (m *Memory) Spent(s Scope, w Window, now time.Time) (window, total int64, ok bool) {
	sh := &m.shard[maphash.String(m.seed, s.ID)&(shards-1)]
	sh.mu.RLock()
	c := sh.cells[s]
	sh.mu.RUnlock()
	if c == nil {
		return 0, 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.meters {
		if mt := &c.meters[i]; mt.kind == Money && mt.window == w {
			mt.roll(&Take{Limit: Limit{Window: w}}, now, m.calendar)
			return mt.used, mt.total, true
		}
	}
	return 0, 0, false
}

// SetSpent sets what the scope has spent in its budget window, for an
// administrator who corrects it. A scope that was not seen has no counter yet
// and starts from the store.
func (m *Memory) SetSpent(s Scope, w Window, window int64) {
	sh := &m.shard[maphash.String(m.seed, s.ID)&(shards-1)]
	sh.mu.RLock()
	c := sh.cells[s]
	sh.mu.RUnlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.meters {
		if mt := &c.meters[i]; mt.kind == Money && mt.window == w {
			mt.used = window
		}
	}
}

// Forget drops the counters of a scope that was deleted.
func (m *Memory) Forget(s Scope) {
	sh := &m.shard[maphash.String(m.seed, s.ID)&(shards-1)]
	sh.mu.Lock()
	delete(sh.cells, s)
	sh.mu.Unlock()
}
