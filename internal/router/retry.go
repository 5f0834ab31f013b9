package router

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"penstock/internal/gateway"
)

// Back-off between tries, when there is no other deployment to go to.
const (
	firstDelay = 500 * time.Millisecond
	maxDelay   = 8 * time.Second
	jitter     = 750 * time.Millisecond
	// maxRetryAfter is the longest a call waits because a provider said so.
	maxRetryAfter = time.Minute
)

// worth reports whether, after n retries, another try in the group is allowed
// and may cure the failure. own is how many retries the deployment wants, -1
// if it does not say.
func (r *run) worth(e *gateway.Error, n, own int) bool {
	s, c := &r.t.set, classify(e)
	if c == noRoom {
		return r.othersLeft() // no provider has been asked, so this is no retry
	}
	if r.c.Retries == nil || *r.c.Retries > 0 {
		for _, p := range [...]*policy{r.over.groupRetries[r.g.name], s.groupRetries[r.g.name], s.retries} {
			if most, ok := p.of(c); ok {
				return n < most
			}
		}
	}
	most := s.Retries
	switch {
	case r.c.Retries != nil:
		most = *r.c.Retries
	case own >= 0:
		most = own
	case r.over.Retries != nil:
		most = *r.over.Retries
	}
	if n >= most {
		_, shuffled := r.how.(shuffle)
		return s.WeightedFailover && shuffled && classes[c].retry != never && r.othersLeft()
	}
	switch classes[c].retry {
	case elsewhere:
		return len(r.g.members) > 1
	case anywhere:
		if c != rateLimit {
			return true
		}
		// An account without money stays so, and where nobody else of the
		// order can be asked, the next order or a fallback is better than waiting.
		return (e.Code != "insufficient_quota" || len(r.g.members) > 1) &&
			(r.othersLeft() || r.level+1 >= len(r.g.levels) && !r.fallsBack(e))
	}
	return false
}

// othersLeft reports whether a member of this order could be asked that has
// not failed the call yet.
func (r *run) othersLeft() bool {
	r.refresh()
	l := &r.g.levels[min(r.level, len(r.g.levels)-1)]
	for _, m := range l.members {
		if r.filter(m) == gateway.NoFilter {
			return true
		}
	}
	return false
}

// refresh makes filters ask for those that are well and have not failed the call.
func (r *run) refresh() {
	r.now, r.again, r.lenient, r.soonest, r.wary = r.at.UnixNano(), false, false, math.MaxInt64, true
}

// wait waits before the next try, and reports false if there is no time for it.
func (r *run) wait(ctx context.Context, e *gateway.Error, n int) bool {
	d := r.delay(e, n)
	if d <= 0 {
		return true
	}
	wake := r.at.Add(d)
	if deadline, ok := ctx.Deadline(); ok && wake.After(deadline) || wake.Sub(r.began) >= r.t.set.Total {
		return false // the client hears of the failure now, instead of after the wait
	}
	err := r.clock.Sleep(ctx, d)
	r.at = r.clock.Now()
	return err == nil
}

// delay returns how long to wait before the next try.
func (r *run) delay(e *gateway.Error, n int) time.Duration {
	if len(r.g.members) > 1 && r.othersLeft() {
		return 0 // somebody else can be asked at once
	}
	j := time.Duration(r.chance() * float64(jitter))
	if e.RetryAfter > 0 && e.RetryAfter <= maxRetryAfter {
		return e.RetryAfter + j
	}
	return min(max(firstDelay<<min(n, 10), r.t.set.RetryAfter), maxDelay) + j
}

// next returns the groups to fall back to after e.
func (r *run) next(e *gateway.Error, name string, depth int) []string {
	switch k := e.Kind; {
	case r.c.DisableFallbacks || k == gateway.Canceled || k == gateway.Internal || k == gateway.Blocked:
		return nil
	case k == gateway.Invalid && len(r.out.Attempts) == 0 && depth == 0 && r.counts[gateway.FilterCapability] == 0:
		return nil
	case r.c.Fallbacks != nil && depth == 0:
		return r.c.Fallbacks
	}
	return r.over.within(r.t, &r.c.Principal, r.configured(e, name))
}

// configured returns the groups that the key or the team, or else the
// configuration, wants tried after e.
func (r *run) configured(e *gateway.Error, name string) []string {
	s, o := &r.t.set, r.over
	window, content := s.ContextWindow, s.ContentPolicy
	if o.ContextWindow != nil {
		window = o.ContextWindow
	}
	if o.ContentPolicy != nil {
		content = o.ContentPolicy
	}
	switch k := e.Kind; {
	case k == gateway.ContextWindow && len(window) > 0:
		return lookup(window, name)
	case k == gateway.ContentPolicy && len(content) > 0:
		return lookup(content, name)
	}
	return r.t.fallbacks(o.general(s), name)
}

// fallsBack reports whether e leads to some other group.
func (r *run) fallsBack(e *gateway.Error) bool {
	return slices.ContainsFunc(r.next(e, r.g.name, len(r.visited)-1), func(next string) bool {
		return !slices.Contains(r.visited, r.t.Group(next)) && r.t.Knows(next, &r.c.Principal)
	})
}

func (t *Table) fallbacks(m map[string][]string, name string) []string {
	if list := lookup(m, name); list != nil {
		return list
	}
	if full := t.set.Qualify(name); full != "" && full != name {
		if list, ok := m[full]; ok {
			return list
		}
	}
	return t.set.DefaultFallbacks
}

// lookup returns the entry of the group, or of its name without a provider in
// front, or of all groups.
func lookup(m map[string][]string, name string) []string {
	if list, ok := m[name]; ok {
		return list
	}
	if _, bare, ok := strings.Cut(name, "/"); ok {
		if list, ok := m[bare]; ok {
			return list
		}
	}
	return m["*"]
}

// Serving returns every deployment that may answer the call, those of its
// fallbacks included.
func (route *Route) Serving() []Target {
	var out []Target
	t, p, o := route.t, &route.c.Principal, route.over
	seen := map[string]bool{}
	var add func(g *group, depth int)
	add = func(g *group, depth int) {
		if g == nil || seen[g.name] || depth > t.set.MaxFallback {
			return
		}
		seen[g.name] = true
		for _, m := range g.members {
			out = append(out, Target{Deployment: m.Deployment, Model: g.upstream(m), m: m})
		}
		for _, list := range [][]string{
			t.fallbacks(o.general(&t.set), g.name), lookup(t.set.ContextWindow, g.name), lookup(t.set.ContentPolicy, g.name),
			lookup(o.ContextWindow, g.name), lookup(o.ContentPolicy, g.name),
		} {
			for _, next := range o.within(t, p, list) {
				to, _ := t.find(next, p)
				add(to, depth+1)
			}
		}
	}
	add(route.g, 0)
	return out
}
