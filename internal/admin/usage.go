package admin

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/spend"
)

// usage is what was spent under those budgets of an object that are not its own
// one: only there if it has some.
type usage struct {
	Windows map[string]windowUsage `json:"budget_limits_usage,omitzero"`    // by duration
	Models  map[string]modelUsage  `json:"model_max_budget_usage,omitzero"` // by model
}

type windowUsage struct {
	Spend usd `json:"current_spend"`
}

type modelUsage struct {
	Spend usd `json:"current_spend"`
	modelBudgetRow
}

// usage returns what is booked, of every call that has ended. scope is what the
// ledger calls objects of this kind, anchor when this one was made.
func (a *API) usage(ctx context.Context, scope, id string, l *gateway.Limits, anchor time.Time) (usage, error) {
	var u usage
	budgets := map[string]gateway.BudgetWindow{} // by model
	for name, m := range l.Models {
		if m.Budget != nil {
			budgets[name] = *m.Budget
		}
	}
	if len(l.Budgets)+len(budgets) == 0 {
		return u, nil
	}
	if err := a.flush(ctx); err != nil {
		return u, err
	}
	type window struct{ model, duration string }
	booked := map[window]gateway.Spend{}
	err := a.store.OwnerWindows(ctx, scope, id, slices.Collect(maps.Keys(budgets)), func(w spend.Window, spent gateway.NanoUSD) error {
		model := ""
		if w.Scope != scope {
			model = strings.TrimPrefix(w.ID, id+":")
		}
		booked[window{model, w.Duration}] = gateway.Spend{Window: spent, WindowStart: w.Start}
		return nil
	})
	if err != nil {
		return u, err
	}
	now := a.now()
	spent := func(model, duration string) usd {
		w, err := limit.ParseWindow(duration)
		if err != nil {
			return 0 // it counts nothing: see window
		}
		s := booked[window{model, w.String()}]
		return usd(a.spent(&s, &gateway.Limits{BudgetDuration: duration}, now, anchor))
	}
	if len(l.Budgets) > 0 {
		u.Windows = map[string]windowUsage{}
		for _, b := range l.Budgets {
			u.Windows[b.Duration] = windowUsage{spent("", b.Duration)}
		}
	}
	if len(budgets) > 0 {
		u.Models = map[string]modelUsage{}
		for name, b := range budgets {
			u.Models[name] = modelUsage{spent(name, b.Duration), modelBudgetRow{usd(b.Amount), text(b.Duration)}}
		}
	}
	return u, nil
}
