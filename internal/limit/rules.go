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
	// Deployments are limits of deployments by their ids, Providers those of all
	// deployments of a provider, by its name.
	Deployments map[string]*gateway.Limits
	Providers   map[string]*gateway.Limits
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
// model is charged to.
func (l *Limiter) Budgeted(p *gateway.Principal, g *Global, model string) bool {
	for _, t := range l.Takes(nil, p, g, model) {
		if t.Limit.Kind == Money && t.Limit.Amount != Unlimited && !t.Limit.Shadow {
			return true
		}
	}
	return false
}
