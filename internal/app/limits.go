package app

import (
	"context"
	"fmt"
	"time"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/price"
	"penstock/internal/relay"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// loadWindows tells the limits what the books hold of each budget window, so
// that budgets go on where the last process stopped.
func (a *App) loadWindows(ctx context.Context) error {
	if err := a.store.Windows(ctx, a.setBooked); err != nil {
		return fmt.Errorf("load what was spent in budget windows: %w", err)
	}
	return nil
}

func (a *App) setBooked(w spend.Window, spent gateway.NanoUSD) error {
	a.limiter.SetBooked(w.Scope, w.ID, w.Duration, gateway.Spend{Window: spent, WindowStart: w.Start})
	return nil
}

// respend has counters and books agree on what was spent in the window of an
// owner's budget, after the owner was changed from was, which had spent had. set
// says that its spend was corrected, ours that this process made the change and
// writes it into the books; a duration that was changed goes on with what was
// spent before.
func (a *App) respend(ctx context.Context, scope limit.Scope, was *gateway.Limits, had *gateway.Spend, l *gateway.Limits, sp *gateway.Spend, set, ours bool) error {
	name := limit.Scopes[scope.Kind].Books
	if was != nil {
		if c, more, moved := a.limiter.Carry(scope, was, l, had, a.anchor(scope)); moved && ours && !c.Start.IsZero() && more != 0 {
			w := spend.Window{Scope: name, ID: scope.String(), Duration: c.Duration, Start: c.Start}
			if err := a.store.AddToWindow(ctx, w, gateway.NanoUSD(more)); err != nil {
				return err
			}
		}
	}
	if !set {
		return nil
	}
	w, err := limit.ParseWindow(l.BudgetDuration)
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, scope, err)
	}
	a.counters.SetSpent(scope, w, int64(sp.Window))
	if sp.WindowStart.IsZero() {
		return nil
	}
	a.limiter.SetBooked(name, scope.String(), w.String(), gateway.Spend{Window: sp.Window, WindowStart: sp.WindowStart})
	return a.store.SetWindow(ctx, spend.Window{Scope: name, ID: scope.String(), Duration: w.String(), Start: sp.WindowStart}, sp.Window)
}

// anchor is when an owner was made: its windows of several days count from there.
func (a *App) anchor(s limit.Scope) time.Time {
	d := a.directory
	switch s.Kind {
	case limit.KeyScope:
		if sum, ok := auth.ParseSum(s.ID); ok {
			if k := d.Key(&sum); k != nil {
				return k.CreatedAt
			}
		}
	case limit.UserScope:
		if u := d.User(s.ID); u != nil {
			return u.CreatedAt
		}
	case limit.MemberScope:
		if t := d.Team(s.Of); t != nil {
			return t.CreatedAt
		}
	case limit.OrganizationMemberScope:
		if o := d.Organization(s.Of); o != nil {
			return o.CreatedAt
		}
	case limit.TeamScope:
		if t := d.Team(s.ID); t != nil {
			return t.CreatedAt
		}
	case limit.OrganizationScope:
		if o := d.Organization(s.ID); o != nil {
			return o.CreatedAt
		}
	case limit.ProjectScope:
		if p := d.Project(s.ID); p != nil {
			return p.CreatedAt
		}
	case limit.TagScope:
		if t := d.Tag(s.ID); t != nil {
			return t.CreatedAt
		}
	case limit.AccessGroupScope:
		if b := d.GroupBudget(s.ID); b != nil {
			return b.CreatedAt
		}
	}
	return time.Time{}
}

// sweepEvery is how often counters that say nothing are dropped.
const sweepEvery = 5 * time.Minute

// sweep drops counters that say nothing, until ctx ends.
func (a *App) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			a.limiter.Sweep()
			a.counters.Sweep(now)
		}
	}
}

// rules is what the configuration says about limits. The rates and slots of
// deployments are the router's to keep, but where replicas share limits, which it
// does not know of.
func (a *App) rules(ctx context.Context, c *config.Config, models []gateway.Deployment) (*limit.Rules, error) {
	s, r := &c.Server, &c.Router
	out := &limit.Rules{
		KeyParallel: s.DefaultKeyParallel, KeySoftBudget: s.DefaultSoftBudget, UserBudgetsInTeams: s.UserBudgetsInTeams,
		Tags: map[string]*limit.TagRule{}, Deployments: map[string]*gateway.Limits{}, Providers: map[string]*gateway.Limits{},
	}
	for name, l := range r.ProviderBudgets {
		out.Providers[name] = &l
	}
	for name, l := range s.TagBudgets {
		spent, err := a.store.Total(ctx, store.Tag, name)
		if err != nil {
			return nil, fmt.Errorf("read what calls with tag %q have spent: %w", name, err)
		}
		out.Tags[name] = &limit.TagRule{Limits: l, Spend: spent}
	}
	shared := s.RedisURL != "" || a.store.Dialect() == "postgres"
	positive := func(n int64) *int64 {
		if n <= 0 {
			return nil
		}
		return &n
	}
	for i := range models {
		d := &models[i]
		l := r.DeploymentBudgets[d.ID]
		if shared {
			l.Parallel = positive(d.MaxParallel)
			if r.EnforceRateLimits {
				l.RPM, l.TPM = positive(d.RPM), positive(d.TPM)
			}
		}
		if l.Budget != nil || l.Parallel != nil || l.RPM != nil || l.TPM != nil {
			out.Deployments[d.ID] = &l
		}
	}
	return out, nil
}

// rooms tells the router which deployments have used up a limit.
type rooms struct{ *limit.Limiter }

// Room implements router.Room.
func (r rooms) Room(d *gateway.Deployment) gateway.Filter {
	kind, ok := r.Limiter.Room(d)
	switch {
	case ok:
		return gateway.NoFilter
	case kind == limit.Requests:
		return gateway.FilterRPM
	case kind == limit.Parallel:
		return gateway.FilterParallel
	case kind == limit.Money:
		return gateway.FilterBudget
	}
	return gateway.FilterTPM
}

var countTokens = map[string]relay.CountTokens{"total": relay.AllTokens, "input": relay.InputOnly, "output": relay.OutputOnly}

func unpriced(s *config.Server) relay.Unpriced {
	switch {
	case s.BlockUnpriced:
		return relay.BlockUnpriced
	case s.Unpriced == "allow":
		return relay.AllowUnpriced
	}
	return relay.BlockBudgeted
}

// pricesOf returns prices over the book; models without one are estimated if
// the configuration wants that.
func pricesOf(book *price.Book, s *config.Server) (*relay.Prices, error) {
	if s.Unpriced != "estimate" || s.BlockUnpriced {
		return relay.NewPrices(book, nil), nil
	}
	rate, err := price.Override(nil, map[string]string{"input_cost_per_token": s.UnpricedInput, "output_cost_per_token": s.UnpricedOutput})
	if err != nil {
		return nil, fmt.Errorf("general_settings.unpriced_input_cost_per_token and unpriced_output_cost_per_token: %w", err)
	}
	return relay.NewPrices(book, rate), nil
}
