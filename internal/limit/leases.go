package limit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Policy says what happens to a call whose limits this replica has no lease
// for while the shared store does not answer.
type Policy uint8

// The policies.
const (
	// LocalShare lets every replica use its share of what was left when the
	// store was last heard of.
	LocalShare Policy = iota
	// Open admits calls without limit, and tells the store afterwards.
	Open
	// Closed refuses them.
	Closed
)

var (
	errStoreAway = errors.New("the shared counters do not answer")
	errForgot    = errors.New("the shared counters have lost what they knew")
)

const (
	beatEvery  = 500 * time.Millisecond
	probeEvery = 200 * time.Millisecond // while the store is away
	tellAll    = 500 * time.Millisecond // after it, before it is asked for anything
	careEvery  = 100 * time.Millisecond
	tellEvery  = 200 * time.Millisecond // at the latest, what was used is told
	bookEvery  = 500 * time.Millisecond
	rereadBase = 10 * time.Second
	idleAfter  = 10 * time.Second // what was not used for so long is given back
	askers     = 4                // asks under way at once, of a batch each
	batch      = 128
	deafFor    = time.Second
	recallWait = 2 * time.Millisecond // at first, then twice as long each time
)

// LeaseOptions say what leases are taken from, and how.
type LeaseOptions struct {
	Shared Shared
	Ledger Ledger
	// Replica names this process in the store; a process that starts on its
	// data takes the same name.
	Replica string
	// Reborn says that an earlier process had the name: what it held is given
	// back where somebody is short of it.
	Reborn   bool
	Deadline time.Duration // no call waits longer for the store, default 50 ms
	Policies map[Kind]Policy
	Calendar Calendar
	Log      *slog.Logger
	Now      func() time.Time
}

// Leases counts in this process what it may, and leases that from a store that
// several processes share: a Counter like Memory, of which it is made. At high
// limits calls are admitted from what is at hand, and more is asked for in the
// background; at low limits it is asked for one by one, and calls wait for that.
type Leases struct {
	*Memory

	o        LeaseOptions
	shared   Shared
	ledger   Ledger
	log      *slog.Logger
	epoch    int64
	name     atomic.Pointer[string]
	seq      atomic.Int64
	policies [kinds]Policy

	offset   atomic.Int64 // of the store's clock to ours, in ns
	replicas atomic.Int64
	down     atomic.Bool
	outage   atomic.Int64 // counts them
	beaten   atomic.Bool  // once at least
	backAt   atomic.Int64 // when the store that is away answered again, Unix ns; 0 if it has not
	resync   atomic.Bool  // every lease is told anew
	waits    atomic.Int64 // calls that waited for the store
	longest  atomic.Int64 // of these waits, in ns
	asks     atomic.Int64
	failures atomic.Int64
	since    atomic.Int64 // of the outage, Unix ns
	bookless atomic.Int64 // the outage in which the books did not answer either

	booking sync.Mutex // one flush at a time

	mu      sync.Mutex
	all     map[Meter]*lease
	queue   []*lease
	reads   []*lease // whose base must be read
	orphans map[Meter]bool

	wake, read chan struct{}
	ctx        context.Context //nolint:containedctx // of the goroutines, from New to Stop
	cancel     context.CancelFunc
	wg         sync.WaitGroup
}

var _ Counter = (*Leases)(nil)

// NewLeases starts leasing. Stop it when nothing reserves any more.
func NewLeases(o LeaseOptions) *Leases {
	if o.Deadline <= 0 {
		o.Deadline = 50 * time.Millisecond
	}
	s := &Leases{
		Memory: NewMemory(o.Calendar), o: o, shared: o.Shared, ledger: o.Ledger, log: o.Log, epoch: o.Now().UnixMicro(),
		all: map[Meter]*lease{}, orphans: map[Meter]bool{}, wake: make(chan struct{}, askers), read: make(chan struct{}, 1),
	}
	s.Memory.leases = s
	s.name.Store(&o.Replica)
	s.replicas.Store(1)
	for k, p := range o.Policies {
		s.policies[k] = p
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	// The first time it may take longer: there is a connection to make.
	s.beat(max(o.Deadline, time.Second))
	for range askers {
		s.wg.Go(s.asker)
	}
	s.wg.Go(s.beater)
	s.wg.Go(func() { s.every(careEvery, s.care) })
	s.wg.Go(func() { s.every(bookEvery, s.books) })
	s.wg.Go(s.reader)
	s.wg.Go(s.listen)
	return s
}

// Stop gives back what is held: the ledger must have booked what was settled,
// or what is not booked stays withheld.
func (s *Leases) Stop(ctx context.Context) error {
	s.cancel()
	s.wg.Wait()
	if s.down.Load() {
		return nil // it will find out by itself
	}
	s.bookOnce(ctx)
	now := s.clock()
	var asks []Ask
	for _, le := range s.leases() {
		le.mu.Lock()
		if le.pend != nil {
			le.unsend()
		}
		le.tight = now.Add(time.Hour)
		if le.known {
			asks = append(asks, *le.compose(now))
		}
		le.mu.Unlock()
	}
	var errs error
	for len(asks) > 0 {
		n := min(len(asks), batch)
		if _, err := s.shared.Apply(ctx, *s.name.Load(), asks[:n]); err != nil {
			errs = errors.Join(errs, err)
			break
		}
		asks = asks[n:]
	}
	return errors.Join(errs, s.shared.Leave(ctx, *s.name.Load()))
}

func (s *Leases) every(d time.Duration, f func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// clock is the store's, as far as we know it: all replicas must agree on
// seconds and on windows.
func (s *Leases) clock() time.Time { return s.o.Now().Add(time.Duration(s.offset.Load())) }

func (s *Leases) until(time.Time) time.Time { return s.clock().Add(s.o.Deadline) }

func (s *Leases) policy(k Kind) Policy { return s.policies[k] }

// Reserve implements Counter. A call waits at most the deadline for the store.
func (s *Leases) Reserve(_ context.Context, now time.Time, h *Hold, takes []Take, size *Size) *Refusal {
	now = now.Add(time.Duration(s.offset.Load()))
	h.joins, h.late = h.joins[:0], false
	f, wait := s.reserve(now, h, takes, size)
	if !wait {
		return f
	}
	start := s.o.Now()
	timer := time.NewTimer(s.o.Deadline)
	defer func() {
		timer.Stop()
		s.waits.Add(1)
		for took, was := int64(s.o.Now().Sub(start)), s.longest.Load(); took > was; was = s.longest.Load() {
			if s.longest.CompareAndSwap(was, took) {
				break
			}
		}
	}()
	for wait {
		for i := range h.joins {
			if h.late {
				break
			}
			select {
			case <-h.joins[i].round.done:
			case <-timer.C:
				h.late = true
			}
		}
		f, wait = s.reserve(now, h, takes, size)
	}
	return f
}

// lease gives the meter its lease, if the limit is one. The cell is locked.
func (s *Leases) lease(c *cell, m *meter, t Take, now time.Time) {
	if m.lease != nil {
		if m.lease.gone.Load() {
			s.adopt(m.lease) // nobody had called for a while
		}
		return
	}
	if t.Limit.AmountAt(now) == Unlimited {
		return
	}
	l := t.Limit
	le := &lease{
		s: s, mu: &c.mu, span: Kinds[m.kind].Span, ring: m.ring, outage: -1, sinceAt: now, last: now,
		meter: Meter{Scope: t.Set.Scope, Kind: m.kind, Model: m.model, Window: m.window},
	}
	if m.kind == Money {
		le.acct = Account{Set: t.Set.Scope, Model: l.Model, Scope: l.scope, ID: l.id, Window: l.duration, Start: m.start, Further: l.Further}
		le.base = m.used
		if !m.start.IsZero() {
			le.meter.Start = m.start.Unix()
		}
		// What calls in flight hold was reserved before there was a ceiling.
	}
	m.lease = le
	s.adopt(le)
}

// adopt has the lease looked after. Its cell is locked.
func (s *Leases) adopt(le *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.all[le.meter]; old != nil && old != le {
		old.gone.Store(true) // of a scope that was forgotten
	}
	le.gone.Store(false)
	s.all[le.meter] = le
}

func (s *Leases) leases() []*lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*lease, 0, len(s.all))
	for _, le := range s.all {
		out = append(out, le)
	}
	return out
}

// kick has the store asked about the lease soon. Its cell is locked.
func (s *Leases) kick(le *lease) {
	switch {
	case le.flying, le.wantBase:
		le.again = true
		return
	case le.queued, le.gone.Load():
		return
	}
	le.queued = true
	s.mu.Lock()
	s.queue = append(s.queue, le)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// asker carries asks to the store, all that have gathered at once.
func (s *Leases) asker() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		}
		for {
			s.mu.Lock()
			n := min(len(s.queue), batch)
			todo := append(make([]*lease, 0, n), s.queue[:n]...)
			s.queue = append(s.queue[:0], s.queue[n:]...)
			s.mu.Unlock()
			if n == 0 || s.ctx.Err() != nil {
				break
			}
			s.send(todo)
		}
	}
}

func (s *Leases) send(todo []*lease) {
	sent := s.clock()
	asks := make([]Ask, 0, len(todo))
	if s.down.Load() {
		for _, le := range todo {
			le.mu.Lock()
			if r := le.next; r != nil && !le.wantBase { // or it waits for the books
				le.next, r.failed = nil, true
				le.finish(r)
			}
			le.queued = s.backAt.Load() != 0 && le.queued
			le.mu.Unlock()
		}
		if s.backAt.Load() == 0 {
			return
		}
	}
	for _, le := range todo {
		le.mu.Lock()
		le.queued, le.flying = false, true
		asks = append(asks, *le.compose(sent))
		le.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.o.Deadline)
	grants, err := s.shared.Apply(ctx, *s.name.Load(), asks)
	cancel()
	s.asks.Add(int64(len(asks)))
	if err != nil {
		s.failed(err)
	}
	for i, le := range todo {
		le.mu.Lock()
		if err != nil {
			le.fail()
		} else {
			le.answer(&grants[i], sent)
		}
		le.flying = false
		if le.again || le.next != nil && err == nil && le.retryAt.IsZero() {
			le.again = false
			s.kick(le)
		}
		le.mu.Unlock()
	}
}

// failed opens the breaker: from now on no call waits, until a beat is heard.
func (s *Leases) failed(err error) {
	s.failures.Add(1)
	s.backAt.Store(0)
	if s.ctx.Err() != nil || s.down.Swap(true) {
		return
	}
	s.outage.Add(1)
	s.since.Store(s.o.Now().UnixNano())
	s.log.Error("shared counters do not answer; limits are kept from what this process holds, and by on_store_failure", "err", err)
}

// lostAt is when the store was first missed, by its clock.
func (s *Leases) lostAt() time.Time {
	return time.Unix(0, s.since.Load()).Add(time.Duration(s.offset.Load()))
}

// beater beats until Stop.
func (s *Leases) beater() {
	for {
		wait := beatEvery
		if s.down.Load() {
			wait = probeEvery
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(wait):
			s.beat(s.o.Deadline)
		}
	}
}

// beat says that we are alive, and closes the breaker when the store is back.
func (s *Leases) beat(within time.Duration) {
	ctx, cancel := context.WithTimeout(s.ctx, within)
	defer cancel()
	start := s.o.Now()
	p, err := s.shared.Beat(ctx, *s.name.Load())
	if err != nil {
		s.failed(err)
		return
	}
	s.replicas.Store(max(p.Replicas, 1))
	end := s.o.Now()
	half := end.Sub(start) / 2
	s.offset.Store(int64(p.Now.Sub(start.Add(half))))
	first := !s.beaten.Swap(true)
	switch back := s.backAt.Load(); {
	case !s.down.Load() && (p.Known || first):
		return
	case !s.down.Load():
		s.failed(errForgot)
		fallthrough
	case back == 0:
		// First everybody says what he holds and has used, then asks are granted.
		s.backAt.Store(end.UnixNano())
		s.resync.Store(true)
		return
	case end.Sub(time.Unix(0, back)) < tellAll:
		return
	}
	if s.down.Swap(false) {
		s.backAt.Store(0)
		s.log.Info("shared counters answer again", "after", s.o.Now().Sub(time.Unix(0, s.since.Load())).Round(time.Millisecond).String())
	}
}

// care looks after every lease: what is used is told, what is not used is given
// back, what is held is held on to.
func (s *Leases) care() {
	if s.down.Load() && s.backAt.Load() == 0 {
		return
	}
	now := s.clock()
	all := s.resync.Swap(false)
	for _, le := range s.leases() {
		le.mu.Lock()
		switch {
		case le.due(now), all && (le.told != 0 || le.busy != 0):
			le.retryAt = time.Time{}
			s.kick(le)
		case le.over(now):
			le.gone.Store(true)
			s.mu.Lock()
			if s.all[le.meter] == le {
				delete(s.all, le.meter)
			}
			s.mu.Unlock()
		}
		le.mu.Unlock()
	}
}

// books tells the store what has gone from being held to being booked.
func (s *Leases) books() {
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
	defer cancel()
	s.bookOnce(ctx)
}

func (s *Leases) bookOnce(ctx context.Context) {
	s.booking.Lock()
	defer s.booking.Unlock()
	now := s.clock()
	var list []*lease
	flush := false
	for _, le := range s.leases() {
		if le.span != budget {
			continue
		}
		le.mu.Lock()
		le.flushing += le.settled
		le.settled = 0
		switch {
		case le.flushing != 0:
			flush = true
			list = append(list, le)
		case le.known && now.Sub(le.acked) < time.Minute && now.Sub(le.reread) > rereadBase:
			list = append(list, le)
		}
		le.mu.Unlock()
	}
	if len(list) == 0 {
		return
	}
	if flush {
		if err := s.ledger.Flush(ctx); err != nil {
			return // the database is away: what is spent stays held
		}
	}
	_ = s.readBases(ctx, list, true) // tried again with the next booking
}

// readBases reads what the books hold of each lease's budget. flushed says that
// all that was being flushed is in them.
func (s *Leases) readBases(ctx context.Context, list []*lease, flushed bool) error {
	at := s.clock()
	accounts := make([]Account, len(list))
	for i, le := range list {
		accounts[i] = le.acct
	}
	sums, err := s.ledger.Spent(ctx, accounts)
	for i, le := range list {
		le.mu.Lock()
		if err == nil && s.ledger.Common() {
			le.reread = at
		}
		switch kept := err == nil && sums[i] != Unkept; {
		case kept && (s.ledger.Common() || le.wantBase):
			le.askBase, le.askAt = sums[i], at.UnixMicro()
			le.base, le.reread = sums[i], at
		case le.wantBase:
			// What we knew last, until the books can be read.
			le.askBase, le.askAt = le.base, 1
			if err == nil && flushed {
				le.askAdd += le.flushing
			}
		case err == nil && flushed:
			le.askAdd += le.flushing
		}
		if err == nil && flushed {
			le.busy -= le.flushing
			le.flushing = 0
		}
		le.wantBase, le.again = false, false
		s.kick(le)
		le.mu.Unlock()
	}
	return err
}

// reader reads bases that the store does not know, for calls that wait.
func (s *Leases) reader() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.read:
			s.readNow()
		}
	}
}

func (s *Leases) readNow() {
	s.mu.Lock()
	list := s.reads
	s.reads = nil
	s.mu.Unlock()
	within := 2 * time.Second
	if s.down.Load() {
		within = s.o.Deadline // calls wait
	}
	ctx, cancel := context.WithTimeout(s.ctx, within)
	defer cancel()
	if s.ledger.Common() {
		if err := s.readBases(ctx, list, false); err != nil && s.down.Load() {
			s.bookless.Store(s.outage.Load())
		}
		return
	}
	// What is booked is added to the base: none of it may be in it already.
	s.booking.Lock()
	defer s.booking.Unlock()
	for _, le := range list {
		le.mu.Lock()
		le.flushing += le.settled
		le.settled = 0
		le.mu.Unlock()
	}
	_ = s.readBases(ctx, list, s.ledger.Flush(ctx) == nil) // the store asks again
}

// listen gives back what others are short of.
func (s *Leases) listen() {
	for s.ctx.Err() == nil {
		_ = s.shared.Recalls(s.ctx, s.recalled) // whether the store is away is for the beat to say
		select {
		case <-s.ctx.Done():
		case <-time.After(probeEvery):
		}
	}
}

func (s *Leases) recalled(m Meter) {
	now := s.clock()
	s.mu.Lock()
	le := s.all[m]
	orphan := le == nil && s.o.Reborn && !s.orphans[m] && len(s.orphans) < 10_000
	if orphan {
		s.orphans[m] = true
	}
	s.mu.Unlock()
	if orphan {
		// What the process before us held: whoever asks is told that it is gone.
		mu := &sync.Mutex{}
		le = &lease{s: s, mu: mu, span: m.Span(), meter: m, ring: &ring{at: now.Unix()}, outage: -1, sinceAt: now, last: now.Add(-idleAfter)}
		if le.span == budget {
			le.acct = account(m)
		}
		mu.Lock()
		s.adopt(le)
		s.kick(le)
		mu.Unlock()
		return
	}
	if le == nil {
		return
	}
	le.mu.Lock()
	defer le.mu.Unlock()
	le.tight = now.Add(TightFor)
	// Though nothing is free: whoever asked thinks that something is. And if the
	// store does not know us, the process before us may hold something still.
	// Not if it is us who asked: the store is asked again in a moment anyway.
	if le.retryAt.IsZero() && (le.known || s.o.Reborn) {
		s.kick(le)
	}
}

// recall asks others for what they do not use.
func (s *Leases) recall(m Meter) {
	ctx, cancel := context.WithTimeout(s.ctx, s.o.Deadline)
	defer cancel()
	_ = s.shared.Recall(ctx, m) // if it is lost, they give back by themselves
}

// supersede takes another name: two processes run on copies of one data
// directory, and would give back what the other holds.
func (s *Leases) supersede() {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	name := hex.EncodeToString(b[:])
	s.log.Error("another process runs under this replica's name, perhaps on a copy of its data directory; this one takes a new name", "was", *s.name.Load(), "now", name)
	s.name.Store(&name)
}

// SetSpent sets what the scope has spent in its budget window, for an
// administrator who corrects it.
func (s *Leases) SetSpent(scope Scope, w Window, spent int64) {
	s.Memory.SetSpent(scope, w, spent)
	at := s.clock().Add(BaseSettles + time.Second) // it counts although it may be less
	for _, le := range s.leases() {
		if le.span != budget || le.meter.Scope != scope || le.meter.Model != "" || le.meter.Window != w {
			continue
		}
		le.mu.Lock()
		le.askBase, le.askAt, le.base = spent, at.UnixMicro(), spent
		s.kick(le)
		le.mu.Unlock()
	}
}

// Reread has the books be read again for the scope's budgets, in the background:
// somebody else has changed what stands there. A lease of a ledger that is this
// replica's own goes on with what it has been told.
func (s *Leases) Reread(scope Scope) {
	if !s.ledger.Common() {
		return
	}
	var list []*lease
	for _, le := range s.leases() {
		if le.span == budget && le.meter.Scope == scope {
			list = append(list, le)
		}
	}
	if len(list) == 0 {
		return
	}
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
		defer cancel()
		at := s.clock()
		accounts := make([]Account, len(list))
		for i, le := range list {
			accounts[i] = le.acct
		}
		sums, err := s.ledger.Spent(ctx, accounts)
		if err != nil {
			return // the next booking reads them too
		}
		for i, le := range list {
			le.mu.Lock()
			// What is known already may have been told with a time of its own (SetSpent).
			if sums[i] != Unkept && sums[i] != le.base && !le.wantBase {
				le.askBase, le.askAt = sums[i], at.UnixMicro()
				le.base, le.reread = sums[i], at
				s.kick(le)
			}
			le.mu.Unlock()
		}
	})
}

// LeaseStats is how sharing goes.
type LeaseStats struct {
	Replicas int64
	Leases   int
	Asks     int64 // so far
	Failures int64
	Outages  int64
	Waits    int64         // calls that waited for the store
	Longest  time.Duration // of these waits
	Down     bool
	Since    time.Time // of the outage, if Down
}

// Stats returns how sharing goes.
func (s *Leases) Stats() LeaseStats {
	s.mu.Lock()
	n := len(s.all)
	s.mu.Unlock()
	st := LeaseStats{
		Replicas: s.replicas.Load(), Leases: n, Asks: s.asks.Load(), Failures: s.failures.Load(), Outages: s.outage.Load(), Down: s.down.Load(),
		Waits: s.waits.Load(), Longest: time.Duration(s.longest.Load()),
	}
	if st.Down {
		st.Since = time.Unix(0, s.since.Load())
	}
	return st
}
