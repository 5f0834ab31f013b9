package limit

import (
	"sync"
	"sync/atomic"
	"time"
)

// lease is what this replica holds of one shared amount. Its meter's cell locks
// it.
//
// The store's figure for this replica is what it held when it last asked. Here
// that is split: free may be taken by calls, busy is taken: by calls in flight,
// and of money also by calls that have ended and are not in the books yet. What
// is used of a rate leaves the lease at once: the store counts it by the second.
type lease struct {
	s     *Leases
	mu    *sync.Mutex
	meter Meter
	acct  Account
	span  Span
	ring  *ring // of rates: all that this replica used

	amount int64 // the ceiling, as the last call had it
	free   int64 // below 0: used beyond what is held
	busy   int64
	out    []Second // of rates: used and not told yet
	last   time.Time

	// What the store said last.
	known  bool      // it knows us
	acked  time.Time // when that was asked
	told   int64     // what we hold by its books
	rest   int64     // what nobody holds
	others int64     // what others hold, and of rates have used
	base   int64     // of money: what is in the books, at first as they were when the limit was made
	tight  time.Time // until when nothing is held for calls to come
	low    int64     // below this much free, more is asked for

	// How fast it is used.
	since   int64
	sinceAt time.Time

	// The ask that is on its way, or whose fate is not known.
	pend   *Ask
	pendH  int64 // free + busy when it was made
	pendR  *round
	queued bool // for a worker
	flying bool // a worker has it
	again  bool // something happened meanwhile

	next *round // what the next ask is to bring
	owed int64  // of free: what calls waited for that have not come to take it yet

	// Of money: from settling to the books.
	ended    int64 // of calls that have ended, and are not in the journal yet
	settled  int64 // in the journal since the flush that is under way began
	flushing int64 // in the journal before it
	askBase  int64 // to be told
	askAt    int64
	askAdd   int64
	wantBase bool // the store does not know what is booked, we are reading it
	reread   time.Time

	short   *round    // of the call that is being refused
	tries   uint      // others were asked to give back
	retryAt time.Time // when the store is asked again after that
	deaf    time.Time // until when nobody is asked, because that did not help

	outage int64       // in which share was worked out
	share  int64       // of what was left, ours while the store is away
	gone   atomic.Bool // not looked after any more
}

// round is one ask and the calls that wait for it. The lease's cell locks it.
type round struct {
	done   chan struct{}
	need   int64
	wish   int64
	least  int64     // what the smallest of them needs
	until  time.Time // nobody waits longer
	into   *round    // the one that it waits for instead
	merged []*round

	// Written before done is closed.
	ended  bool
	failed bool
	short  bool
	rate   []Second
	others int64
}

func (r *round) end() {
	r.ended = true
	close(r.done)
	for _, m := range r.merged {
		m.failed, m.short, m.rate, m.others = r.failed, r.short, r.rate, r.others
		m.end()
	}
}

// finish wakes the calls that waited.
func (le *lease) finish(r *round) {
	if !r.failed {
		le.owed += r.need
	}
	r.end()
}

// leave takes a call that asked for need out of the round: it has come for what
// it asked, or waits no longer.
func (le *lease) leave(r *round, need int64) {
	switch {
	case r.ended && !r.failed:
		le.owed -= need
	case !r.ended:
		for r.into != nil {
			r = r.into
		}
		r.need -= need
	}
}

// verdict is what a limit says to a call.
type verdict uint8

const (
	yes verdict = iota
	no
	ask     // this replica has too little; the store may have more
	unknown // the store does not answer, and the policy is to refuse
)

// room returns how much of the range the lease allows. mine is the round in
// which this call has asked already, if it has.
func (le *lease) room(l *Limit, amount int64, r *Range, reserved int64, mine *round, late bool, now time.Time) (int64, verdict) {
	le.amount = amount
	le.expire(now)
	if r.Worst == 0 {
		return 0, yes
	}
	if l.Shadow {
		// It refuses nothing, so nobody waits for it.
		if !le.known {
			return min(r.Worst, amount), yes
		}
		n, ok := r.promise(max(le.rest, 0)+le.free, reserved == 0)
		if !ok {
			return r.Typical, no
		}
		return n, yes
	}
	if late || le.s.down.Load() || mine != nil && mine.failed {
		if !late && le.unread() {
			return min(r.Worst, max(r.Want, amount/16)), ask // the books are asked
		}
		return le.away(r, reserved, now)
	}
	if !le.known {
		return min(r.Worst, max(r.Want, amount/16)), ask
	}
	left := max(le.rest, 0) + max(le.free, 0)
	n, _ := r.promise(max(left, r.Least), reserved == 0 && le.others == 0)
	free := le.free
	if mine == nil {
		free -= le.claimed()
	}
	switch {
	case r.Least > free:
		if mine != nil && mine.short {
			le.short = mine
			return 0, no
		}
		return n, ask
	case n > free && mine == nil && le.rest > 0:
		return n, ask // it would be capped, though there is more
	}
	return min(n, free), yes
}

// claimed returns how much of what is free, or comes, is for calls that wait.
func (le *lease) claimed() int64 {
	n := le.owed
	if le.next != nil {
		n += le.next.need
	}
	if le.pendR != nil {
		n += le.pendR.need
	}
	return n
}

// away is room while the store is away.
func (le *lease) away(r *Range, reserved int64, now time.Time) (int64, verdict) {
	left := le.booked(le.free)
	switch le.s.policy(le.meter.Kind) {
	case Open:
		return r.Worst, yes
	case LocalShare:
		left = le.shareOf(now)
	case Closed:
		if r.Least > left {
			return 0, unknown
		}
	}
	n, ok := r.promise(left, reserved == 0)
	if !ok {
		return 0, no
	}
	return n, yes
}

// shareOf returns what this replica may use while the store is away: what it
// holds, and its share of what was left when it heard of it last. Once what
// others used then has left the window, that is its share of the whole amount.
func (le *lease) shareOf(now time.Time) int64 {
	n := le.s.replicas.Load()
	if o := le.s.outage.Load(); le.outage != o {
		le.outage = o
		switch {
		case le.known && le.span == budget:
			le.share = max(min(le.rest, le.amount-le.base), 0) / n
		case le.known:
			le.share = max(le.rest, 0) / n
		case le.span == budget:
			le.share = max(le.amount-le.base, 0) / n
		default:
			le.share = le.amount / n
		}
	}
	left := le.free + le.share
	if gone := now.Sub(le.acked); le.known {
		switch {
		case le.span == sliding && gone > Sliding+time.Second:
			left = max(left, le.amount/n-le.ring.sum)
		case le.span == held && gone > LeaseTTL:
			left = max(left, le.amount/n-le.busy)
		}
	}
	return le.booked(left)
}

// booked cuts what seems to be left of a budget down to what its books leave:
// more may have been booked than the store had told of, by an import or while
// nobody called here.
func (le *lease) booked(left int64) int64 {
	if le.span != budget {
		return left
	}
	return min(left, le.amount-le.base-le.busy)
}

// unread reports whether the books, which the store cannot be asked for now, may
// have more of the budget than this replica has heard of: nothing was called here
// in the time before the store went away, or never. Books that have failed to
// answer since are not waited for again.
func (le *lease) unread() bool {
	s := le.s
	if le.span != budget || !s.ledger.Common() || s.bookless.Load() == s.outage.Load() {
		return false
	}
	heard := le.acked
	if le.reread.After(heard) {
		heard = le.reread
	}
	return heard.Before(s.lostAt().Add(-beatEvery))
}

// expire gives up what the store has given up on: it does not hold for ever
// what a replica holds that is not heard of. Money it withholds.
func (le *lease) expire(now time.Time) {
	if le.span != budget && le.free > 0 && now.Sub(le.acked) > LeaseTTL-LeaseTTL/8 {
		le.free = 0
	}
}

// take writes down what a call was given.
func (le *lease) take(n, second int64, now time.Time) {
	le.free -= n
	le.since += n
	le.last = now
	if le.span == sliding {
		le.use(second, n)
	} else {
		le.busy += n
	}
	if le.free < le.low || le.free < 0 {
		le.s.kick(le)
	}
}

// settle puts what a call used in the place of what it had taken.
func (le *lease) settle(taken, used, second int64) {
	switch le.span {
	case sliding:
		if d := used - taken; d != 0 && le.ring.holds(second) {
			le.use(second, d)
			// What was not used goes back to the store, which gives it to whoever
			// needs it; while that is away, nobody else would.
			if d > 0 || le.s.down.Load() {
				le.free -= d
			}
		}
	case held:
		le.busy -= taken
		le.free += taken
	case budget:
		le.busy += used - taken
		le.free += taken - used
		le.ended += used
	}
	if le.free < 0 || le.free > 2*le.keep() {
		le.s.kick(le)
	}
}

func (le *lease) use(second, n int64) {
	for i := range le.out {
		if le.out[i].At == second {
			le.out[i].N += n
			return
		}
	}
	le.out = append(le.out, Second{second, n})
}

// keep returns how much may lie here unused: a slice of what is left.
func (le *lease) keep() int64 {
	return (max(le.rest, 0) + max(le.free, 0)) / (Slices * le.s.replicas.Load())
}

// target returns how much should be at hand: what half a second of calls takes,
// and a little where there is plenty.
func (le *lease) target(now time.Time) int64 {
	dt := max(now.Sub(le.sinceAt), 50*time.Millisecond)
	return max(int64(float64(le.since)*0.5/dt.Seconds()), le.amount/(16*Slices*le.s.replicas.Load()))
}

// join has the call wait for the next ask.
func (le *lease) join(need, wish int64, until time.Time) *round {
	if le.next == nil {
		le.next = &round{done: make(chan struct{})}
	}
	le.next.need += need
	le.next.wish += max(wish, need)
	if le.next.least == 0 || need < le.next.least {
		le.next.least = need
	}
	if until.After(le.next.until) {
		le.next.until = until
	}
	if le.s.down.Load() && le.unread() {
		le.read()
	} else {
		le.s.kick(le)
	}
	return le.next
}

// compose makes the next ask, or the last one again if its fate is not known.
func (le *lease) compose(now time.Time) *Ask {
	if le.pend != nil {
		return le.pend
	}
	le.expire(now)
	var need, wish int64
	le.pendR, le.next = le.next, nil
	if le.pendR != nil {
		need, wish = le.pendR.need, le.pendR.wish
	}
	tight, idle := now.Before(le.tight), now.Sub(le.last) > idleAfter
	if need == 0 {
		// What is given back is given up first: the answer may get lost.
		keep := le.keep()
		if tight || idle {
			keep = 0
		}
		if back := le.free - max(keep, le.owed); back > 0 {
			le.free -= back
			le.rest += back // so a call that comes now asks, and is not cut
		}
	}
	spare := le.target(now)
	if tight || idle || le.s.down.Load() {
		spare = 0
	}
	free := max(le.free, 0)
	own := max(le.free-le.owed, 0) // nobody waits for
	a := &Ask{
		Meter: le.meter, Amount: le.amount, Epoch: le.s.epoch, Seq: le.s.seq.Add(1), Fresh: !le.known, Replicas: le.s.replicas.Load(),
		Keep: le.busy + free, Need: max(need-own, 0), Idle: max(own-need, 0),
		Base: le.askBase, BaseAt: le.askAt, Add: le.askAdd,
	}
	if le.pendR != nil && need > 0 {
		a.Scrap, a.Least = min(own, need), le.pendR.least
	}
	a.Wish = max(wish-max(own, need), 0)
	a.Spare = max(spare-max(own-wish, 0), 0)
	if le.span == sliding {
		if a.Fresh {
			le.ring.advance(now.Unix())
			for s := le.ring.at - ringSize + 1; s <= le.ring.at; s++ {
				if n := le.ring.n[s%ringSize]; n != 0 {
					a.Used = append(a.Used, Second{s, n})
				}
			}
			le.out = le.out[:0]
		} else {
			a.Used, le.out = le.out, nil
		}
	}
	if le.span == budget && !le.s.ledger.Common() {
		a.Until = now.AddDate(0, 1, 10).Unix()
	}
	le.askAt, le.askAdd = 0, 0
	le.since, le.sinceAt = 0, now
	le.pend, le.pendH = a, le.free+le.busy
	return a
}

// played takes in what came of the ask that was made at sent.
func (le *lease) played(g *Grant, sent time.Time) {
	a := le.pend
	le.free += g.Held - le.pendH
	le.told, le.known, le.acked = g.Held, true, sent
	le.rest = a.Amount - g.Taken
	le.base = g.Base
	le.others = g.Taken - g.Base - g.Held
	if le.s.down.Load() {
		le.outage, le.share = le.s.outage.Load(), 0 // what others used meanwhile is not told yet
	} else {
		le.outage = -1
	}
	if g.Tight {
		le.tight = sent.Add(TightFor)
	}
	le.low = 0
	if spare := le.rest / (Slices * a.Replicas); spare > 0 && !g.Tight {
		le.low = min(max(a.Spare, le.target(sent)), le.free) / 2
	}
	le.pend = nil
}

// spent is what of the budget is spent, as far as this replica knows.
func (le *lease) spent() int64 { return le.base + le.ended + le.settled + le.flushing }

// due reports whether the store must hear of the lease.
func (le *lease) due(now time.Time) bool {
	age := now.Sub(le.acked)
	switch {
	case le.queued, le.flying, le.wantBase:
		return false
	case le.pend != nil, le.next != nil, le.free < 0, le.askAt != 0, le.askAdd != 0:
		return true
	case le.told > 0 && age > LeaseTTL/3:
		return true
	case len(le.out) > 0 && age > tellEvery, le.told != le.busy+le.free && age > tellEvery:
		return true
	}
	idle := now.Sub(le.last) > idleAfter || now.Before(le.tight)
	return le.free > 0 && (idle || le.free > le.keep())
}

// over reports whether nothing is left to look after.
func (le *lease) over(now time.Time) bool {
	return le.told == 0 && le.busy == 0 && le.free == 0 && len(le.out) == 0 && le.pend == nil && le.next == nil &&
		!le.queued && !le.flying && !le.wantBase && le.ended+le.settled+le.flushing == 0 && now.Sub(le.last) > idleAfter
}

// fail ends the round of an ask whose fate is not known. The ask is sent again,
// as it is, when the store answers.
func (le *lease) fail() {
	if r := le.pendR; r != nil {
		le.pendR, r.failed = nil, true
		le.finish(r)
	}
}

// answer takes in what the store said. The lease's cell is locked.
func (le *lease) answer(g *Grant, sent time.Time) {
	r := le.pendR
	le.pendR = nil
	if g.Status != Played {
		le.unsend()
		le.rejoin(r)
		switch g.Status {
		case NeedBase:
			le.read()
			return
		case Superseded:
			le.s.supersede()
		case Lost:
			if le.told > 0 {
				le.s.resync.Store(true) // it has lost more than this
			}
		}
		le.known, le.free = false, min(le.free, 0)
		le.again = true
		return
	}
	le.played(g, sent)
	if r == nil {
		return
	}
	if now := le.s.clock(); g.Short && g.Idle > 0 && now.Before(r.until) && !now.Before(le.deaf) {
		if le.free-le.owed >= max(r.least, 1) {
			le.finish(r) // there is enough for some: the rest asks again
			return
		}
		// Others hold what they do not use: they are asked for it, and so is the
		// store once more in a moment.
		le.rejoin(r)
		if !le.retryAt.IsZero() {
			return // both are under way already
		}
		le.tries++
		wait := min(recallWait<<min(le.tries, 4), r.until.Sub(now))
		le.retryAt = now.Add(wait)
		meter := le.meter
		le.s.wg.Go(func() { le.s.recall(meter) })
		time.AfterFunc(wait, func() {
			le.mu.Lock()
			defer le.mu.Unlock()
			le.retryAt = time.Time{}
			le.s.kick(le)
		})
		return
	}
	if g.Short && g.Idle > 0 && le.tries > 0 {
		le.deaf = sent.Add(deafFor) // who holds it does not hear: perhaps it is dead
	}
	le.tries = 0
	r.short, r.rate, r.others = g.Short, g.Rate, g.Taken-g.Held
	for _, u := range g.Rate {
		r.others -= u.N
	}
	le.finish(r)
}

// read has the books asked what they have of the budget. Until they have
// answered, the store is not asked for more.
func (le *lease) read() {
	if le.wantBase {
		return
	}
	le.wantBase = true
	le.s.mu.Lock()
	le.s.reads = append(le.s.reads, le)
	le.s.mu.Unlock()
	select {
	case le.s.read <- struct{}{}:
	default:
	}
}

// rejoin has the calls of a round wait for the next one.
func (le *lease) rejoin(r *round) {
	switch {
	case r == nil:
	case le.next == nil:
		le.next = r
	default:
		n := le.next
		n.need, n.wish, n.merged = n.need+r.need, n.wish+r.wish, append(n.merged, r)
		r.into, n.least = n, min(n.least, r.least)
		if r.until.After(n.until) {
			n.until = r.until
		}
	}
}

// unsend takes back what the last ask told: it was not played.
func (le *lease) unsend() {
	a := le.pend
	le.pend = nil
	for _, u := range a.Used {
		le.use(u.At, u.N)
	}
	if a.BaseAt > 0 && le.askAt == 0 {
		le.askBase, le.askAt = a.Base, a.BaseAt
	}
	le.askAdd += a.Add
}

// left returns how much of the amount is neither used nor held by a call, as far
// as this replica knows: of what it may use, while the store is away.
func (le *lease) left(amount int64, now time.Time) int64 {
	switch {
	case le.s.down.Load() && le.s.policy(le.meter.Kind) == LocalShare:
		return le.shareOf(now)
	case le.known:
		return max(le.rest, 0) + le.free
	case le.span == budget:
		return amount - le.base - le.busy
	}
	return amount + min(le.free, 0)
}

// refusal fills in what the store knows of the limit.
func (le *lease) refusal(f *Refusal, end, now time.Time) {
	taken := f.Amount - le.left(f.Amount, now)
	switch le.span {
	case sliding:
		f.Used, f.Reserved, f.RetryAfter = taken, 0, time.Second
		if le.short != nil {
			r := ring{at: now.Unix()}
			for _, u := range le.short.rate {
				r.add(u.At, u.N)
			}
			f.RetryAfter = r.wait(f.Asked, f.Amount-le.short.others, now)
		}
	case held:
		f.Used, f.Reserved, f.RetryAfter = taken, 0, time.Second
	case budget:
		f.Used = le.spent()
		f.Reserved = max(taken-f.Used, 0)
		f.RetryAfter = 0
		if !end.IsZero() {
			f.RetryAfter = end.Sub(now)
		}
		if f.Reserved > 0 && f.Used+f.Asked <= f.Amount {
			f.RetryAfter = time.Second // calls in flight hold what is missing
		}
	}
}

// account names the budget of a meter that no limit of ours stands behind.
func account(m Meter) Account {
	a := Account{Set: m.Scope, Model: m.Model, Scope: Scopes[m.Scope.Kind].Books, ID: m.Scope.String(), Window: m.Window.String()}
	if m.Model != "" {
		a.Scope, a.ID = Scopes[m.Scope.Kind].Model, a.ID+":"+m.Model
	}
	if m.Start != 0 {
		a.Start = time.Unix(m.Start, 0)
	}
	return a
}
