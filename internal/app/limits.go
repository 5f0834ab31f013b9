package app

import (
	"context"
	"fmt"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/price"
	"penstock/internal/relay"
	"penstock/internal/spend"
)

// loadWindows tells the limits what the books hold of each budget window, so
// that budgets go on where the last process stopped.
func (a *App) loadWindows(ctx context.Context) error {
	err := a.store.Windows(ctx, func(w spend.Window, spent gateway.NanoUSD) error {
		a.limiter.SetBooked(w.Scope, w.ID, w.Duration, gateway.Spend{Window: spent, WindowStart: w.Start})
		return nil
	})
	if err != nil {
		return fmt.Errorf("load what was spent in budget windows: %w", err)
	}
	return nil
}

// rules is what the configuration says about limits.
func rules(c *config.Config) *limit.Rules {
	byName := func(m map[string]gateway.Limits) map[string]*gateway.Limits {
		out := make(map[string]*gateway.Limits, len(m))
		for name, l := range m {
			out[name] = &l
		}
		return out
	}
	s, r := &c.Server, &c.Router
	return &limit.Rules{
		KeyParallel: s.DefaultKeyParallel, KeySoftBudget: s.DefaultSoftBudget, UserBudgetsInTeams: s.UserBudgetsInTeams,
		Deployments: byName(r.DeploymentBudgets), Providers: byName(r.ProviderBudgets),
	}
}

// rooms tells the router which deployments have spent their budget.
type rooms struct{ *limit.Limiter }

// Room implements router.Room.
func (r rooms) Room(d *gateway.Deployment) gateway.Filter {
	if r.Limiter.Room(d) {
		return gateway.NoFilter
	}
	return gateway.FilterBudget
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
