package admin

import (
	"reflect"
	"slices"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

// governs reports whether the caller decides about what limits a key: an admin
// of everything, of its organization or of its team.
func (a *API) governs(p *gateway.Principal, k *gateway.Key) bool {
	switch {
	case isAdmin(p):
		return true
	case k.OrganizationID != "" && a.directory.MayKey(p, auth.UpdateKey, &gateway.Key{OrganizationID: k.OrganizationID}) == nil:
		return true
	}
	return k.TeamID != "" && a.directory.MayTeam(p, auth.Change, k.TeamID, a.directory.Team(k.TeamID)) == nil
}

// keepsLimits keeps the holder of a key from what others have decided about it.
// A key that somebody else has made for them stays as it is, but for its name
// and its secret; of a team's key, and of one's own that somebody has changed
// since, the budgets do. was is the key before, empty for a new one.
func (a *API) keepsLimits(p *gateway.Principal, was, k *gateway.Key) error {
	me := p.UserID()
	own := me != "" && was.UserID == me && was.CreatedBy == me
	switch {
	case was.Hash == "", a.governs(p, was), own && was.TeamID == "" && (was.UpdatedBy == me || was.UpdatedBy == ""):
		return nil
	case own || was.TeamID != "":
		if reflect.DeepEqual(budgetsOf(was), budgetsOf(k)) {
			return nil
		}
		return heldBack("the budgets of this key")
	case reflect.DeepEqual(decided(was), decided(k)):
		return nil
	}
	return heldBack("a key that somebody else has made for you")
}

// mayGroup decides whether a team's key gets an access group that its team does
// not have: the group's models reach beyond the team's.
func (a *API) mayGroup(p *gateway.Principal, was, k *gateway.Key) error {
	if k.TeamID == "" {
		return nil // the user's own models hold whatever groups there are
	}
	had := was.AccessGroupIDs
	if t := a.directory.Team(k.TeamID); t != nil {
		had = slices.Concat(had, t.AccessGroupIDs)
	}
	for _, group := range k.AccessGroupIDs {
		if !slices.Contains(had, group) {
			return a.directory.MayKey(p, auth.GroupsOfKey, k)
		}
	}
	return nil
}

// withinCaller keeps a key with a budget from giving another key a larger one,
// as LiteLLM does. What was is no more given.
func withinCaller(p *gateway.Principal, f *keyFields, was *gateway.Key) error {
	if p.Key == nil || p.Key.Limits.Budget == nil {
		return nil
	}
	most := *p.Key.Limits.Budget
	if given := gateway.NanoUSD(f.MaxBudget.Value); f.MaxBudget.Has() && given > most && (was.Limits.Budget == nil || given != *was.Limits.Budget) {
		return invalid("max_budget", "max_budget (%s) cannot exceed the caller's own max_budget (%s).", f.MaxBudget.Value, usd(most))
	}
	for _, w := range f.Budgets.Or(nil) {
		given := gateway.BudgetWindow{Amount: gateway.NanoUSD(w.Amount.Value), Duration: w.Duration.Value}
		if given.Amount > most && !slices.Contains(was.Limits.Budgets, given) {
			return invalid("budget_limits", "budget_limits entry max_budget (%s) cannot exceed the caller's own max_budget (%s).", w.Amount.Value, usd(most))
		}
	}
	return nil
}

func heldBack(what string) error {
	return &gateway.Error{Kind: gateway.Forbidden, Param: "key", Message: "Only admins, of everything or of the key's team or organization, can change " + what + ". Ask one, or make a key of your own"}
}

// keyBudgets are what a key may spend.
type keyBudgets struct {
	own      *gateway.NanoUSD
	duration string
	more     []gateway.BudgetWindow
	byModel  map[string]gateway.BudgetWindow
	shared   string
	raise    gateway.NanoUSD
	until    time.Time
	shadow   bool
}

func budgetsOf(k *gateway.Key) keyBudgets {
	b := keyBudgets{k.Limits.Budget, k.Limits.BudgetDuration, k.Limits.Budgets, map[string]gateway.BudgetWindow{}, k.BudgetID, k.Limits.Raise, k.Limits.RaiseUntil, k.Limits.Shadow}
	for name, m := range k.Limits.Models {
		if m.Budget != nil {
			b.byModel[name] = *m.Budget
		}
	}
	if len(b.more) == 0 {
		b.more = nil
	}
	return b
}

// decided is a key without what its holder may change: its name, and that it is
// blocked, which has a rule of its own.
func decided(k *gateway.Key) gateway.Key {
	d := *k
	d.Hash, d.Name, d.Alias, d.Blocked, d.Spend = "", "", "", false, gateway.Spend{}
	d.Rotation, d.UpdatedAt, d.UpdatedBy, d.LastActive = gateway.Rotation{}, time.Time{}, "", time.Time{}
	return d
}
