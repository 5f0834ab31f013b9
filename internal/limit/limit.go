package limit

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
)

// Counter keeps the counts. Memory is one; the contract is package limittest.
type Counter interface {
	// Reserve takes from every limit in takes, or from none. On success it fills
	// in h; otherwise it returns what refused. Takes of one set stand together,
	// and sets in the order of their scopes; h keeps takes until it is settled.
	Reserve(ctx context.Context, now time.Time, h *Hold, takes []Take, size *Size) *Refusal
	// Room reports whether all takes have anything left, and the kind of one that
	// has not. It takes nothing and does not wait.
	Room(now time.Time, takes []Take) (Kind, bool)
	// Carry has the scope's own budget go on in another window, after its
	// duration was changed. What was spent stays spent; it returns the start of
	// the new window, and how much more that is than what it had counted.
	Carry(now time.Time, from, to Take) (start time.Time, more int64)
	// Settle replaces what h reserved by what the call used, once. Settling
	// again does nothing.
	Settle(h *Hold, a *Actual)
}

// Limiter admits calls.
type Limiter struct {
	counter Counter
	now     func() time.Time
	epoch   atomic.Uint32 // counts sweeps
	rules   atomic.Pointer[Rules]
	seed    maphash.Seed
	shard   [shards]struct {
		mu     sync.RWMutex
		sets   map[setKey]*Set           // of what is stored, by the version it was made from
		booked map[bookKey]gateway.Spend // what the books hold of budget windows
		_      [16]byte
	}
}

type setKey struct {
	scope Scope
	// counted says that the money of the scope is only counted, without its
	// ceiling: a user's, where the team pays.
	counted bool
}

type bookKey struct{ scope, id, duration string }

// New returns a Limiter on c.
func New(c Counter, now func() time.Time) *Limiter {
	l := &Limiter{counter: c, now: now, seed: maphash.MakeSeed()}
	l.rules.Store(&Rules{})
	for i := range l.shard {
		l.shard[i].sets, l.shard[i].booked = map[setKey]*Set{}, map[bookKey]gateway.Spend{}
	}
	return l
}

// Reserve admits the call of p for the model and fills in h, or refuses it with
// a *gateway.Error of kind Exceeded or BudgetExceeded. What was reserved is held
// until Settle or Release.
func (l *Limiter) Reserve(ctx context.Context, h *Hold, p *gateway.Principal, g *Global, model string, size *Size) error {
	h.takes = l.takes(h.takes[:0], p, g, model, h)
	now := l.now()
	if f := l.counter.Reserve(ctx, now, h, h.takes, size); f != nil {
		return f.Error(model, now)
	}
	return nil
}

// Settle replaces the reservation by what the call really used.
func (l *Limiter) Settle(h *Hold, a *Actual) { l.counter.Settle(h, a) }

// Release gives everything back: the call never reached a provider.
func (l *Limiter) Release(h *Hold) { l.counter.Settle(h, &unused) }

// unused is what a call has used that never reached a provider.
var unused Actual

// Takes appends the limits that apply to p's call of the model, narrow scopes
// first, and returns them. This is the one place that decides which limits
// apply to a call.
func (l *Limiter) Takes(dst []Take, p *gateway.Principal, g *Global, model string) []Take {
	return l.takes(dst, p, g, model, &Hold{})
}

func (l *Limiter) takes(dst []Take, p *gateway.Principal, g *Global, model string, h *Hold) []Take {
	add := func(s Scope, label, name string, lim *gateway.Limits, spent *gateway.Spend, anchor time.Time, counted bool) {
		dst = l.set(s, label, name, lim, spent, anchor, counted).Takes(dst, model)
	}
	if k := p.Key; k != nil {
		set := l.set(Scope{Kind: KeyScope, ID: k.Hash}, k.Alias, k.Name, &k.Limits, &k.Spend, k.CreatedAt, false)
		if h.Session != "" {
			if lim := set.session(k.Metadata); lim != nil {
				add(Scope{Kind: SessionScope, ID: h.Session, Of: k.Hash}, "", "", lim, &nothing, time.Time{}, false)
			}
		}
		dst = set.takeTags(set.Takes(dst, model), h.Tags)
	}
	if m := p.Member; m != nil && p.Team != nil {
		add(Scope{Kind: MemberScope, ID: m.UserID, Of: p.Team.ID}, "", "", &m.Limits, &m.Spend, p.Team.CreatedAt, false)
	}
	if m := p.OrganizationMember; m != nil && p.Organization != nil {
		add(Scope{Kind: OrganizationMemberScope, ID: m.UserID, Of: p.Organization.ID}, "", "", &m.Limits, &m.Spend, p.Organization.CreatedAt, false)
	}
	if u := p.User; u != nil {
		// Budgets of a user are for personal keys: what a team's key spends is the team's.
		counted := p.Team != nil && !l.rules.Load().UserBudgetsInTeams
		add(Scope{Kind: UserScope, ID: u.ID}, "", "", &u.Limits, &u.Spend, u.CreatedAt, counted)
	}
	if e := p.EndUser; e != nil {
		add(Scope{Kind: EndUserScope, ID: e.ID}, "", "", &e.Limits, &e.Spend, time.Time{}, false)
	}
	if j := p.Project; j != nil {
		add(Scope{Kind: ProjectScope, ID: j.ID}, "", "", &j.Limits, &j.Spend, j.CreatedAt, false)
	}
	dst = l.tagged(dst, p.Tags, h.Tags, model)
	if t := p.Team; t != nil {
		add(Scope{Kind: TeamScope, ID: t.ID}, "", "", &t.Limits, &t.Spend, t.CreatedAt, false)
	}
	if o := p.Organization; o != nil {
		add(Scope{Kind: OrganizationScope, ID: o.ID}, "", "", &o.Limits, &o.Spend, o.CreatedAt, false)
	}
	for _, b := range p.Through {
		add(Scope{Kind: AccessGroupScope, ID: b.Name}, "", "", &b.Limits, &b.Spend, b.CreatedAt, false)
	}
	if g != nil {
		add(Scope{Kind: GlobalScope}, "", "", &g.Limits, &g.Spend, time.Time{}, false)
	}
	return dst
}

// set returns the set of what is stored, made once for each version of it.
func (l *Limiter) set(s Scope, label, name string, lim *gateway.Limits, spent *gateway.Spend, anchor time.Time, counted bool) *Set {
	key := setKey{s, counted}
	sh := &l.shard[maphash.String(l.seed, s.ID)&(shards-1)]
	sh.mu.RLock()
	set := sh.sets[key]
	sh.mu.RUnlock()
	if set != nil && set.source == lim {
		if e := l.epoch.Load(); set.epoch.Load() != e {
			set.epoch.Store(e)
		}
		return set
	}
	base := l.compile(s, label, l.rules.Load().stored(s.Kind, lim, counted), spent, anchor)
	base.Name, base.source = name, lim
	base.epoch.Store(l.epoch.Load())
	sh.mu.Lock()
	sh.sets[key] = base
	sh.mu.Unlock()
	return base
}

func (l *Limiter) compile(s Scope, label string, lim *gateway.Limits, spent *gateway.Spend, anchor time.Time) *Set {
	return NewSet(s, label, anchor, compile(lim, spent, func(model, duration string) gateway.Spend {
		scope, id := Scopes[s.Kind].Books, s.String()
		if model != "" {
			scope, id = Scopes[s.Kind].Model, id+":"+model
		}
		return l.booked(scope, id, duration)
	})...)
}

// Carry has the scope's own budget go on in another window where its duration
// was changed, and what was spent stays spent. It returns the new window by its
// name in the ledger, and how much must be added to what is booked in it; false
// if the duration is the same.
func (l *Limiter) Carry(s Scope, from, to *gateway.Limits, spent *gateway.Spend, anchor time.Time) (Charge, int64, bool) {
	if window(from.BudgetDuration) == window(to.BudgetDuration) {
		return Charge{}, 0, false
	}
	now := l.now()
	old, next := l.compile(s, "", from, spent, anchor).own(), l.compile(s, "", to, &nothing, anchor).own()
	start, delta := l.counter.Carry(now, old, next)
	return next.Limit.charge(start), delta, true
}

// own returns the scope's own budget.
func (s *Set) own() Take {
	for i := range s.limits {
		if s.limits[i].own() {
			return Take{s, &s.limits[i]}
		}
	}
	return Take{}
}

// Sweep drops the sets that no call has used since the sweep before.
func (l *Limiter) Sweep() {
	last := l.epoch.Add(1) - 1
	for i := range l.shard {
		sh := &l.shard[i]
		sh.mu.Lock()
		for k, s := range sh.sets {
			if s.epoch.Load() < last {
				delete(sh.sets, k)
			}
		}
		sh.mu.Unlock()
	}
}

// SetBooked says what the books hold of a budget window: it starts a counter
// that has not been seen since the process started.
func (l *Limiter) SetBooked(scope, id, duration string, s gateway.Spend) {
	sh := &l.shard[maphash.String(l.seed, id)&(shards-1)]
	sh.mu.Lock()
	sh.booked[bookKey{scope, id, duration}] = s
	sh.mu.Unlock()
}

func (l *Limiter) booked(scope, id, duration string) gateway.Spend {
	sh := &l.shard[maphash.String(l.seed, id)&(shards-1)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.booked[bookKey{scope, id, duration}]
}

// Forget drops what is remembered of a scope that was deleted.
func (l *Limiter) Forget(s Scope) {
	sh := &l.shard[maphash.String(l.seed, s.ID)&(shards-1)]
	sh.mu.Lock()
	delete(sh.sets, setKey{s, false})
	delete(sh.sets, setKey{s, true})
	sh.mu.Unlock()
}
