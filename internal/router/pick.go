package router

import (
	"fmt"
	"math"
	"slices"
	"time"

	"penstock/internal/gateway"
)

// query is what picks for one call in one group go by.
type query struct {
	now      int64 // Unix nanoseconds
	g        *group
	from     int       // levels before it are done with
	tried    []*member // have failed this call
	beside   *member   // is being asked at this moment, nil if none is
	how      chooser
	called   string             // the strategy's name
	weights  map[string]float64 // by deployment, instead of their own; nil if there are none
	rpm, tpm bool               // these are limits
	tags     tagRule
	needs    gateway.Capability // those that not every member has
	keys     affinityKeys

	broke []*member // have no room by limits kept elsewhere
	wary  bool      // those limits are asked of every member

	again   bool // members that failed this call will do
	lenient bool // so will those that may not be well
	unsure  bool // there are such

	// What the filters said of the members that were looked at last.
	have, limit int64
	mark        int // where the removals of this order begin
	looked      int
	removed     int
	counts      [gateway.Filters]int32
	// The same of lower orders.
	lookedBefore, removedBefore int
	soonest                     int64 // Unix nanoseconds, end of the first cooldown

	found [full]*member
}

// enter makes the group the one that is picked from.
func (r *run) enter(g *group) {
	r.g, r.from, r.tried, r.beside, r.needs = g, 0, r.tried[:0], nil, 0
	r.how, r.called, r.weights, r.rpm, r.tpm = g.strategy, g.called, r.over.Weights[g.name], g.rpm, g.tpm
	if s := r.over.Strategy; s != "" {
		r.how, r.called, r.rpm, r.tpm = strategies[s], string(s), g.rpm || s.limits(), g.tpm || s.limits()
	}
	if g.exact {
		return
	}
	if g.lacking != 0 {
		r.needs = needs(r.c.Body) & g.lacking
	}
	r.tags = tagRule{}
	tagging := g.tagging
	if on := r.over.TagFiltering; on != nil {
		tagging = *on
	}
	if tagging {
		r.tags = r.t.tagRule(g, r.c)
	}
	r.keys = r.t.affinity(g, r.c)
}

// pick chooses the deployment to try next and writes down why. It takes no
// lock, and in groups of more than full it does not look at every member as
// long as enough of them are well.
func (r *run) pick() (*member, *gateway.Error) {
	r.now = r.at.UnixNano()
	w := &r.out.Why
	r.mark, r.lookedBefore, r.removedBefore = len(w.Removals), 0, 0
	p := gateway.Pick{Group: r.g.name, Candidates: len(r.g.members), Strategy: r.called, From: r.mark}
	m, sticky := r.choose()
	var err *gateway.Error
	if m == nil {
		err = r.unavailable()
	} else {
		p.Deployment, p.Level, p.Sticky = m.ID, m.Order, sticky
	}
	if r.g.exact {
		p.Strategy = "id"
	}
	p.Looked, p.Removed, p.To = r.looked, r.removed, len(w.Removals)
	w.Picks = append(w.Picks, p)
	return m, err
}

// choose returns a member that fits and has been claimed, nil if there is none.
func (r *run) choose() (m *member, sticky bool) {
	if r.g.exact {
		m = r.g.members[0]
		r.start()
		if f := r.exactly(m); f != gateway.NoFilter {
			r.remove(m, f)
			return nil, false
		}
		if !m.claim(r) {
			r.remove(m, gateway.FilterParallel)
			return nil, false
		}
		return m, false
	}
	r.broke, r.wary = r.broke[:0], false
	// A deployment that is perhaps not well comes after those of every level
	// that are; one that has failed this call after those of its level.
	first := r.mark
	for r.lenient, r.unsure = false, false; ; r.lenient = true {
		r.mark, r.lookedBefore, r.removedBefore = first, 0, 0
		for i := r.from; i < len(r.g.levels); i++ {
			l := &r.g.levels[i]
			for r.again = false; ; r.again = true {
				r.start()
				if m, sticky = r.chooseFrom(l); m != nil {
					r.level = i
					return m, sticky
				}
				if r.again || len(r.tried) == 0 {
					break
				}
			}
			// What kept this order out explains why the next one is chosen from.
			r.mark, r.lookedBefore, r.removedBefore = len(r.out.Why.Removals), r.looked, r.removed
		}
		if r.lenient || !r.unsure {
			break
		}
	}
	r.mark, r.lookedBefore, r.removedBefore = first, 0, 0
	r.all()
	return nil, false
}

// start forgets what the filters have said of this order.
func (r *run) start() {
	r.looked, r.removed, r.soonest = r.lookedBefore, r.removedBefore, math.MaxInt64
	clear(r.counts[:])
	r.out.Why.Removals = r.out.Why.Removals[:r.mark]
}

// all asks the filters about every member once more, for the error.
func (r *run) all() {
	r.start()
	r.again, r.lenient, r.wary = true, true, true
	for i := range r.g.members {
		r.fits(r.g.members[i])
	}
}

// chooseFrom chooses from one level. Between choosing a member and claiming
// it, another call may have taken what room it had; then it chooses again.
func (r *run) chooseFrom(l *level) (m *member, sticky bool) {
	if m = r.sticky(l, nil); m != nil && r.take(m) {
		return m, true
	}
	if d, ok := r.how.(drawer); ok && len(l.members) > full && r.weights == nil {
		for range draws {
			if m := d.draw(r, l); r.fits(m) == gateway.NoFilter && r.take(m) {
				return m, false
			}
		}
	}
	for range min(len(l.members), full) {
		ms := r.gather(l)
		if len(ms) == 0 {
			return nil, false
		}
		if m = r.sticky(l, ms); m != nil && r.take(m) {
			return m, true
		}
		if m = r.how.choose(r, ms); r.take(m) {
			return m, false
		}
	}
	return nil, false
}

// take claims m if limits that are kept elsewhere have room for it. They are
// asked of the chosen one only, because that may take a lock; when some of
// those have had none, of everybody.
func (r *run) take(m *member) bool {
	if !r.wary && r.elsewhere(m) != gateway.NoFilter {
		r.broke = append(r.broke, m)
		r.wary = len(r.broke) >= 4
		return false
	}
	return m.claim(r)
}

// elsewhere asks limits that are kept outside the router about m.
func (r *run) elsewhere(m *member) gateway.Filter {
	if r.t.set.Room == nil {
		return gateway.NoFilter
	}
	return r.t.set.Room.Room(m.Deployment)
}

// gather returns members of the level that fit: all of them if there are no
// more than full, and otherwise, from a random place on, the first sample of
// them; of a ranked level only those that equal the best. It is valid until the next call.
func (r *run) gather(l *level) []*member {
	r.start()
	if _, ok := r.how.(ranker); !ok || l.ranked == nil {
		return r.walk(l.members, l.stride)
	}
	for at := 0; at < len(l.ranked); at = l.ends[at] {
		if found := r.walk(l.ranked[at:l.ends[at]], 1); len(found) > 0 {
			return found
		}
	}
	return nil
}

// walk returns those of ms that fit, up to full or, of more than that, sample.
func (r *run) walk(ms []*member, stride int) []*member {
	found, n := r.found[:0], len(ms)
	at, most := 0, full
	if n > full {
		at, most = r.below(n), sample
	}
	for range n {
		if m := ms[at]; r.fits(m) == gateway.NoFilter {
			if found = append(found, m); len(found) == most {
				break
			}
		}
		if at += stride; at >= n {
			at -= n
		}
	}
	return found
}

// fits asks the filters about m, in order.
func (r *run) fits(m *member) gateway.Filter {
	f := r.filter(m)
	r.looked++
	if f != gateway.NoFilter {
		r.remove(m, f)
	}
	return f
}

func (r *run) filter(m *member) gateway.Filter {
	r.have, r.limit = 0, 0
	c := r.c
	if c.AccessGroups != nil && !overlap(m.AccessGroups, c.AccessGroups) {
		return gateway.FilterAccess
	}
	if len(c.Principal.Tags) > 0 && forbidding(c, m) != nil {
		return gateway.FilterAccess
	}
	if m.Blocked {
		return gateway.FilterBlocked
	}
	if until := m.coolUntil.Load(); until != 0 {
		if until > r.now && !m.wildcard {
			r.have, r.soonest = until-r.now, min(r.soonest, until)
			return gateway.FilterCooldown
		}
		if !r.lenient && m.probe.Load() > r.now {
			r.unsure = true
			return gateway.FilterProbe
		}
	}
	if ill := m.illUntil.Load(); ill > r.now && !r.lenient {
		r.have, r.unsure = ill-r.now, true
		return gateway.FilterHealth
	}
	if r.tags.on && !r.tags.admits(m) {
		return gateway.FilterTags
	}
	if c.Region != "" && !inRegion(m.Region, c.Region) {
		return gateway.FilterRegion
	}
	if r.t.set.PreCallChecks && m.facts.MaxInput > 0 && c.Ask.Likely > m.facts.MaxInput {
		r.have, r.limit = c.Ask.Likely, m.facts.MaxInput
		return gateway.FilterContext
	}
	if lacks := m.facts.lacks(r.needs); lacks != 0 {
		r.have = int64(lacks)
		return gateway.FilterCapability
	}
	if f := r.room(m); f != gateway.NoFilter {
		return f
	}
	if m == r.beside || !r.again && len(r.tried) > 0 && slices.Contains(r.tried, m) {
		return gateway.FilterTried
	}
	return gateway.NoFilter
}

// room asks whether m has room for the call under its own limits.
func (r *run) room(m *member) gateway.Filter {
	if r.rpm && m.RPM > 0 {
		if n := m.requests.sum(r.now) + m.elsewhere.requests(r.now); n >= m.RPM {
			r.have, r.limit = n, m.RPM
			return gateway.FilterRPM
		}
	}
	if r.tpm && m.TPM > 0 {
		if n := m.tokens.sum(r.now) + m.elsewhere.tokens(r.now); n >= m.TPM || n+r.c.Ask.Likely > m.TPM {
			r.have, r.limit = n, m.TPM
			return gateway.FilterTPM
		}
	}
	if m.MaxParallel > 0 {
		if n := m.inFlight.Load(); n >= m.MaxParallel {
			r.have, r.limit = n, m.MaxParallel
			return gateway.FilterParallel
		}
	}
	if r.wary || len(r.broke) > 0 && slices.Contains(r.broke, m) {
		return r.elsewhere(m)
	}
	return gateway.NoFilter
}

// exactly asks what keeps a deployment out that was asked for by its id:
// neither cooldown nor balancing, but what was set on it holds.
func (r *run) exactly(m *member) gateway.Filter {
	r.have, r.limit, r.looked, r.wary = 0, 0, 1, true
	if m.Blocked {
		return gateway.FilterBlocked
	}
	return r.room(m)
}

// claim takes a call's place on m, and reports false if there was none left.
// Whoever claims releases.
func (m *member) claim(r *run) bool {
	if n := m.inFlight.Add(1); m.MaxParallel > 0 && n > m.MaxParallel {
		m.inFlight.Add(-1)
		return false
	}
	if !r.lenient && !r.g.exact && !m.claimProbe(r.now) {
		m.inFlight.Add(-1)
		return false
	}
	m.requests.add(r.now, 1)
	if r.rpm && m.RPM > 0 && m.requests.sum(r.now) > m.RPM {
		m.requests.add(r.now, -1)
		m.inFlight.Add(-1)
		return false
	}
	m.tokens.add(r.now, r.c.Ask.Likely)
	return true
}

// maxRemovals bounds the removals that are written down of one call.
const maxRemovals = 32

func (r *run) remove(m *member, f gateway.Filter) {
	r.removed++
	r.counts[f]++
	if w := &r.out.Why; len(w.Removals) < maxRemovals || r.unbounded {
		w.Removals = append(w.Removals, gateway.Removal{Deployment: m.ID, Filter: f, Have: r.have, Limit: r.limit})
	}
}

// unavailable returns the error that says why no member fits.
func (r *run) unavailable() *gateway.Error {
	name, n := r.g.name, func(f gateway.Filter) bool { return r.counts[f] > 0 }
	everyOne := func(f gateway.Filter) bool { return int(r.counts[f]) == r.looked }
	limited := func(wait time.Duration, format string, args ...any) *gateway.Error {
		return &gateway.Error{Kind: gateway.Unavailable, Type: "rate_limit_error", RetryAfter: wait, Message: fmt.Sprintf(format, args...)}
	}
	tags := &gateway.Error{
		Kind: gateway.Unauthenticated, Type: "auth_error", Param: "tags",
		Message: fmt.Sprintf("Not allowed to access model due to tags configuration. Passed model=%s and tags=%q", name, r.c.Tags),
	}
	switch {
	case r.tags.nobody:
		return tags
	case n(gateway.FilterCooldown):
		wait := left(r.soonest, r.now)
		e := limited(wait, "No deployments available for selected model, Try again in %.0f seconds. All deployments for selected model are in cooldown. Passed model=%s.",
			math.Ceil(wait.Seconds()), name)
		e.Type = "all_deployments_in_cooldown"
		return e
	case n(gateway.FilterParallel):
		return limited(time.Second, "Every deployment of model=%s has all its max_parallel_requests in use. Try again shortly.", name)
	case n(gateway.FilterRPM), n(gateway.FilterTPM):
		return limited(time.Minute, "No deployments available for selected model, Try again in 60 seconds. Passed model=%s. Every deployment has used its rpm or tpm.", name)
	case n(gateway.FilterBudget):
		return limited(0, "No deployments available - crossed budget: every deployment of model=%s has spent its budget.", name)
	case everyOne(gateway.FilterContext):
		return &gateway.Error{
			Kind: gateway.ContextWindow, Param: "messages", Code: "context_length_exceeded",
			Message: fmt.Sprintf("The prompt of about %d tokens is longer than every deployment of model=%s takes (at most %d).", r.c.Ask.Likely, name, r.widest()),
		}
	case n(gateway.FilterTags):
		return tags
	case n(gateway.FilterRegion):
		return &gateway.Error{
			Kind: gateway.Forbidden, Param: "model",
			Message: fmt.Sprintf("No deployment of model=%s is in region %q, where this call must stay.", name, r.c.Region),
		}
	case n(gateway.FilterCapability):
		return gateway.Invalidf("model", "No deployment of model=%s that could be asked can do what the request needs (%s).", name, r.needs)
	case n(gateway.FilterAccess):
		if i := slices.IndexFunc(r.g.members, func(m *member) bool { return forbidding(r.c, m) != nil }); i >= 0 {
			return &gateway.Error{
				Kind: gateway.Forbidden, Type: "tag_model_access_denied", Param: "model",
				Message: fmt.Sprintf("Tag '%s' may not use model=%s: none of its deployments is among the tag's models.", short(forbidding(r.c, r.g.members[i]).Name), name),
			}
		}
		return &gateway.Error{Kind: gateway.Forbidden, Type: "key_model_access_denied", Param: "model", Message: fmt.Sprintf("The key's access groups have no deployment of model=%s.", name)}
	case n(gateway.FilterBlocked) && r.g.exact:
		return &gateway.Error{Kind: gateway.Unavailable, Status: 503, Type: "service_unavailable", Message: fmt.Sprintf("Model '%s' is currently paused and cannot accept requests.", name)}
	case n(gateway.FilterBlocked):
		return &gateway.Error{Kind: gateway.Forbidden, Param: "model", Message: fmt.Sprintf("Model is blocked. Passed model=%s.", name)}
	}
	return limited(time.Second, "No deployments available for selected model. Passed model=%s.", name)
}

// widest returns the largest context window of the group.
func (r *run) widest() int64 {
	n := int64(0)
	for _, m := range r.g.members {
		n = max(n, m.facts.MaxInput)
	}
	return n
}

// forbidding returns the tag of the call whose models leave the deployment out,
// nil if none does. Models of a tag are ids of deployments, or names of groups.
func forbidding(c *gateway.Call, m *member) *gateway.Tag {
	for _, t := range c.Principal.Tags {
		if len(t.Models) > 0 && !slices.Contains(t.Models, m.ID) && !slices.Contains(t.Models, m.Group) {
			return t
		}
	}
	return nil
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
