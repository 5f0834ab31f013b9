package router

import (
	"slices"
	"time"

	"penstock/internal/gateway"
)

// Plan says how the call would be routed at this moment, without sending or
// counting anything: for its group and then each of its fallbacks, a Pick with
// every member looked at, and the one that would probably be chosen. The
// Hops are what would follow if everything before them failed.
func (route *Route) Plan(now time.Time) gateway.Why {
	out := &Outcome{Why: gateway.Why{Asked: route.g.name, Naming: route.g.how}}
	r := &out.run
	r.t, r.c, r.over, r.out, r.began, r.now = route.t, route.c, route.over, out, now, now.UnixNano()
	r.unbounded = true
	r.plan(route.g, 0)
	return out.Why
}

func (r *run) plan(g *group, depth int) {
	w := &r.out.Why
	r.visited = append(r.visited, g.name)
	r.enter(g)
	r.mark, r.lookedBefore, r.removedBefore = len(w.Removals), 0, 0
	p := gateway.Pick{Group: g.name, Candidates: len(g.members), Strategy: r.called, From: r.mark}
	r.start()
	r.again, r.lenient, r.wary = true, false, true
	if g.exact {
		p.Strategy = "id"
		if f := r.exactly(g.members[0]); f != gateway.NoFilter {
			r.remove(g.members[0], f)
		} else {
			p.Deployment = g.members[0].ID
		}
	} else {
		r.foresee(&p)
	}
	p.Looked, p.Removed, p.To = r.looked, r.removed, len(w.Removals)
	w.Picks = append(w.Picks, p)
	if depth >= r.t.set.MaxFallback {
		return
	}
	for _, next := range r.next(&gateway.Error{Kind: gateway.UpstreamFailed}, g.name, depth) {
		to, err := r.t.find(next, &r.c.Principal)
		if err != nil || to == nil || len(w.Hops) >= maxHops || slices.Contains(r.visited, to.name) {
			continue
		}
		w.Hops = append(w.Hops, gateway.Hop{From: g.name, To: to.name, Because: gateway.UpstreamFailed})
		r.plan(to, depth+1)
	}
}

// foresee asks the filters about every member, and chooses without claiming.
func (r *run) foresee(p *gateway.Pick) {
	var first []*member
	var of *level
	for i := range r.g.levels {
		l := &r.g.levels[i]
		for _, m := range l.members {
			if r.fits(m) == gateway.NoFilter && (of == nil || of == l) {
				first, of = append(first, m), l
			}
		}
	}
	if of == nil {
		return
	}
	var known []*member
	if len(of.members) <= full {
		known = first
	}
	m := r.sticky(of, known)
	p.Sticky = m != nil
	if m == nil {
		m = r.how.choose(r, first)
	}
	p.Deployment, p.Level = m.ID, m.Order
}
