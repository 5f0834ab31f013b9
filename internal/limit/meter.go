package limit

import "time"

// meter counts one kind in one window.
type meter struct {
	kind   Kind
	model  string
	window Window
	anchor time.Time

	ring  *ring  // of sliding kinds
	used  int64  // held: in flight; money: committed in the current window
	lease *lease // of a shared amount: then the above is this replica's part

	// Of money only.
	reserved int64     // promised to calls in flight
	spent    int64     // by calls, below
	calls    int64     // that were settled in the current window, by this process
	start    time.Time // of the current window
	end      time.Time
	told     bool // that the soft budget was reached in this window
	own      bool // the scope's own budget, as it is now
	alone    bool // nobody else keeps what was spent in a lifetime

	scope, id, duration string // what the ledger calls it
}

// meter returns the index of the take's meter, making it if it is not there.
// The cell is locked.
func (c *cell) meter(t Take, now time.Time, cal *Calendar) int {
	l := t.Limit
	at := l.at
	if at >= len(c.meters) || !c.meters[at].is(l) {
		at = c.add(t, now, cal)
		l.at = at
	}
	if l.own() && !c.meters[at].own {
		c.move(at, now, cal)
	}
	c.meters[at].roll(now, cal)
	return at
}

// move makes the meter at the index that of the scope's own budget, whose
// duration was changed: what was spent stays spent.
func (c *cell) move(at int, now time.Time, cal *Calendar) {
	to := &c.meters[at]
	to.roll(now, cal)
	for i := range c.meters {
		from := &c.meters[i]
		if !from.own {
			continue
		}
		from.roll(now, cal)
		if from.own = false; to.lease == nil && from.lease == nil {
			to.used, to.told = from.used, from.told
		}
	}
	to.own = true
}

func (m *meter) is(l *Limit) bool {
	return m.kind == l.Kind && m.window == l.Window && m.model == l.Model
}

func (c *cell) add(t Take, now time.Time, cal *Calendar) int {
	l := t.Limit
	for i := range c.meters {
		if c.meters[i].is(l) {
			return i
		}
	}
	m := meter{kind: l.Kind, model: l.Model, window: l.Window, anchor: t.Set.Anchor, scope: l.scope, id: l.id, duration: l.duration, alone: l.alone()}
	switch Kinds[l.Kind].Span {
	case sliding:
		m.ring = &ring{at: now.Unix()}
	case budget:
		m.start, m.end = l.Window.Bounds(now, m.anchor, *cal)
		m.used = l.booked(m.start)
		m.told = l.Soft > 0 && m.used >= l.Soft // by the process before this one
	}
	c.meters = append(c.meters, m)
	return len(c.meters) - 1
}

// roll brings the meter to now: what has left the window is forgotten.
func (m *meter) roll(now time.Time, cal *Calendar) {
	switch {
	case m.ring != nil:
		m.ring.advance(now.Unix())
	case m.kind == Money && !m.end.IsZero() && !now.Before(m.end):
		m.start, m.end = m.window.Bounds(now, m.anchor, *cal)
		m.used, m.reserved, m.spent, m.calls, m.told = 0, 0, 0, 0, false
		m.lease = nil // what is in flight keeps the old window's
	}
}

// counts reports whether this is money for any model, in a window that holds
// the moment.
func (m *meter) counts(at time.Time) bool {
	return m.kind == Money && m.model == "" && (m.end.IsZero() || !at.Before(m.start) && at.Before(m.end))
}

// learned widens what is typical to twice what the calls before this one have
// cost on average: who spends a budget is known better than the model's users.
func (m *meter) learned(r *Range) {
	if m.kind == Money && m.calls > 0 {
		r.Typical = max(r.Typical, min(2*(m.spent/m.calls), r.Want))
	}
}

// spentNow is what is spent in the current window, as far as this process knows.
func (m *meter) spentNow() int64 {
	if m.lease != nil {
		return m.lease.spent()
	}
	return m.used
}

// any reports whether anything is left.
func (m *meter) any(l *Limit, now time.Time) bool {
	switch {
	case m.lease != nil:
		return !m.lease.known || m.lease.rest > 0 || m.lease.free > 0
	case m.ring != nil:
		return m.ring.sum < l.AmountAt(now)
	}
	return m.used+m.reserved < l.AmountAt(now)
}

// room returns how much of the range the limit allows.
func (m *meter) room(l *Limit, r *Range, h *Hold, now time.Time) (int64, verdict) {
	amount := l.AmountAt(now)
	if amount == Unlimited {
		return r.Worst, yes
	}
	if le := m.lease; le != nil {
		return le.room(l, amount, r, m.reserved, h.claim(le), h.late, now)
	}
	taken := m.used + m.reserved
	if m.ring != nil {
		taken = m.ring.sum
	}
	alone := m.reserved == 0
	n, ok := r.promise(amount-taken, alone)
	switch {
	case ok:
		return n, yes
	case l.Shadow:
		n = r.Typical
	}
	return n, no
}

// take writes down what the call was given.
func (m *meter) take(e *entry, now time.Time) {
	amount := e.take.Limit.AmountAt(now)
	switch {
	case m.ring != nil:
		e.second = m.ring.at
		m.ring.add(e.second, e.taken)
		e.left = amount - m.ring.sum
	case m.kind == Money:
		e.start = m.start
		m.reserved += e.taken
		e.left = amount - m.used - m.reserved
	default:
		e.taken = 1
		m.used++
		e.left = amount - m.used
	}
	if le := m.lease; le != nil && amount != Unlimited {
		e.lease = le
		le.take(e.taken, e.second, now)
		e.left = le.left(amount, now)
	}
}

// settle gives back what the call held, and puts what it used in its place;
// money for any model has been added already.
func (m *meter) settle(e *entry, h *Hold, a *Actual) {
	used := Kinds[m.kind].After(a)
	l := e.take.Limit
	if e.lease != nil {
		e.used = used
		e.lease.settle(e.taken, used, e.second)
	}
	switch {
	case m.ring != nil:
		m.ring.add(e.second, used-e.taken)
	case m.kind != Money:
		m.used--
	case m.start.Equal(e.start): // money of a window that is over belongs to that window
		m.reserved -= e.taken
		m.calls++
		m.spent += used
		if m.model != "" {
			m.used += used
		}
		amount, total := l.AmountAt(h.admitted), m.used
		if le := e.lease; le != nil {
			total = amount - max(le.rest, 0) - le.free // all that is held counts
		}
		if amount != Unlimited && !l.Shadow && total > amount {
			h.Overshoot = max(h.Overshoot, min(used-e.taken, total-amount))
		}
		if l.Soft > 0 && !m.told {
			spent := m.used
			if e.lease != nil {
				spent = max(spent, e.lease.spent()) // by all replicas
			}
			if spent >= l.Soft {
				m.told = true
				h.Reached = append(h.Reached, Reached{e.take.Set, l, spent, e.start})
			}
		}
	}
}

// idle reports whether a new meter would say the same.
func (m *meter) idle(now time.Time) bool {
	switch {
	case m.lease != nil && !m.lease.gone.Load():
		return false
	case m.ring != nil:
		m.ring.advance(now.Unix())
		return m.ring.sum == 0
	case m.kind == Money:
		return m.reserved == 0 && (m.used == 0 || !m.end.IsZero() && !now.Before(m.end))
	}
	return m.used == 0
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
	if r.sum == 0 && sec-r.at >= ringSize {
		r.at, r.n = sec, [ringSize]int64{}
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

// holds reports whether the second is still in the window.
func (r *ring) holds(sec int64) bool { return sec > r.at-ringSize && sec <= r.at }

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

// oldest returns how long it takes until something leaves the window, 0 if it
// holds nothing.
func (r *ring) oldest(now time.Time) time.Duration {
	for s := r.at - ringSize + 1; s <= r.at; s++ {
		if r.n[s%ringSize] != 0 {
			return time.Unix(s+ringSize, 0).Sub(now)
		}
	}
	return 0
}
