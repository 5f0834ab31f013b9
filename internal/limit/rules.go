package limit

import (
	"context"
	"time"

	"penstock/internal/gateway"
)

// Rules is what the configuration says about limits that are not stored.
type Rules struct {
	// KeyParallel caps calls in flight of keys that do not say; nil is no cap.
	KeyParallel *int64
	// KeySoftBudget is the soft budget of keys that have none; nil is none.
	KeySoftBudget *gateway.NanoUSD
	// UserBudgetsInTeams has a user's budgets hold for keys of teams, too.
	UserBudgetsInTeams bool
	// Tags are budgets of calls by tag, for tags that have none stored.
	Tags map[string]*TagRule
	// Deployments are limits of deployments by their ids, Providers those of all
	// deployments of a provider, by its name.
	Deployments map[string]*gateway.Limits
	Providers   map[string]*gateway.Limits
}

// TagRule is the limits on calls with a tag, and what the books say was spent.
type TagRule struct {
	Limits gateway.Limits
	Spend  gateway.Spend
}

// tagged appends the limits of the call's tags, stored or not, in the order of
// their names: every call takes them in that order, whatever its client wrote.
func (l *Limiter) tagged(dst []Take, stored []*gateway.Tag, named []string, model string) []Take {
	rules := l.rules.Load().Tags
	if len(rules) == 0 {
		named = nil
	}
	for last := ""; ; {
		var next *gateway.Tag
		for _, t := range stored {
			if t.Name > last && (next == nil || t.Name < next.Name) {
				next = t
			}
		}
		name := ""
		for _, n := range named {
			if n > last && (name == "" || n < name) && rules[n] != nil {
				name = n
			}
		}
		switch {
		case next == nil && name == "":
			return dst
		case name == "" || next != nil && (next.Name < name || next.Name == name && next.Limits.Budget != nil):
			last = next.Name
			dst = l.set(Scope{Kind: TagScope, ID: last}, "", "", &next.Limits, &next.Spend, next.CreatedAt, false).Takes(dst, model)
		default:
			last = name
			r := rules[name]
			dst = l.set(Scope{Kind: TagScope, ID: last}, "", "", &r.Limits, &r.Spend, time.Time{}, false).Takes(dst, model)
		}
	}
}

// SetRules makes p hold for calls that start from now on. It must not be
// changed afterwards.
func (l *Limiter) SetRules(p *Rules) {
	l.rules.Store(p)
	for i := range l.shard {
		sh := &l.shard[i]
		sh.mu.Lock()
		clear(sh.sets)
		sh.mu.Unlock()
	}
}

// stored returns the limits of a scope as the rules complete them.
func (p *Rules) stored(s ScopeKind, l *gateway.Limits, counted bool) *gateway.Limits {
	if !counted && (s != KeyScope || p.KeyParallel == nil && p.KeySoftBudget == nil) {
		return l
	}
	c := *l
	if counted {
		c.Budget, c.SoftBudget, c.Budgets = nil, nil, nil
		return &c
	}
	if c.Parallel == nil {
		c.Parallel = p.KeyParallel
	}
	if c.SoftBudget == nil {
		c.SoftBudget = p.KeySoftBudget
	}
	return &c
}

// deployment appends the limits of a deployment and its provider.
func (l *Limiter) deployment(dst []Take, d *gateway.Deployment) []Take {
	p := l.rules.Load()
	if lim := p.Deployments[d.ID]; lim != nil {
		dst = l.set(Scope{Kind: DeploymentScope, ID: d.ID}, "", "", lim, &nothing, time.Time{}, false).Takes(dst, "")
	}
	if lim := p.Providers[d.Provider]; lim != nil {
		dst = l.set(Scope{Kind: ProviderScope, ID: d.Provider}, "", "", lim, &nothing, time.Time{}, false).Takes(dst, "")
	}
	return dst
}

// nothing is what the books keep beside deployments and providers: they keep
// their windows only.
var nothing gateway.Spend

// ReserveAttempt takes what one attempt at the deployment may use from the
// limits on it and on its provider, or refuses it with a *gateway.Error of kind
// Exceeded: another deployment may have room. What was reserved is held until
// Settle or Release. Where there are no such limits it costs nothing, and nobody
// asks for the size.
func (l *Limiter) ReserveAttempt(ctx context.Context, h *Hold, d *gateway.Deployment, size func() *Size) error {
	if h.takes = l.deployment(h.takes[:0], d); len(h.takes) == 0 {
		return nil
	}
	now := l.now()
	if f := l.counter.Reserve(ctx, now, h, h.takes, size()); f != nil {
		return f.Error("", now)
	}
	return nil
}

// Room reports whether the limits on the deployment and its provider have
// anything left, and which kind has not. It reserves nothing and does not wait.
func (l *Limiter) Room(d *gateway.Deployment) (Kind, bool) {
	if p := l.rules.Load(); len(p.Deployments)+len(p.Providers) == 0 {
		return 0, true
	}
	var buf [8]Take
	return l.counter.Room(l.now(), l.deployment(buf[:0], d))
}

// Budgeted reports whether money is limited for anybody whom p's call of the
// model is charged to. Of h only Session and Tags matter.
func (l *Limiter) Budgeted(h *Hold, p *gateway.Principal, g *Global, model string) bool {
	for _, t := range l.takes(nil, p, g, model, h) {
		if t.Limit.Kind == Money && t.Limit.Amount != Unlimited && !t.Limit.Shadow {
			return true
		}
	}
	return false
}
