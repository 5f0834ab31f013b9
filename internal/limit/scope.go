package limit

import (
	"math"
	"time"

	"penstock/internal/gateway"
)

// ScopeKind is what a limit stands on.
type ScopeKind uint8

// The kinds of scopes, from narrow to wide. Cells are locked in this order, so
// two calls can never wait for each other in a circle.
const (
	KeyScope ScopeKind = iota
	UserScope
	TeamScope
	GlobalScope
	scopeKinds
)

// Scopes says how each kind of scope is called: in rate-limit errors and
// headers, and in budget errors. A new scope is a row here and a line in Takes.
var Scopes = [scopeKinds]struct {
	Name   string // "api_key": LiteLLM's descriptor
	Budget string // "Key=": how a budget error names it
}{
	KeyScope:    {"api_key", "Key="},
	UserScope:   {"user", "User="},
	TeamScope:   {"team", "Team="},
	GlobalScope: {"global", "Proxy"},
}

// Scope is what a limit stands on: a kind and which one of it.
type Scope struct {
	Kind ScopeKind
	ID   string
}

// Unlimited is the amount of a limit that only counts. Money is counted for
// every key, user and team, so that a budget set later knows what was spent.
const Unlimited = math.MaxInt64

// Limit is one ceiling.
type Limit struct {
	Scope  Scope
	Kind   Kind
	Amount int64
	Window Window // of money
}

// Take is one limit that a call has to pass.
type Take struct {
	Limit
	// Label names the scope in a budget error.
	Label string
	// Spent is what the store knows the scope to have spent. It starts the
	// counter of a scope that has not been seen since the process started.
	Spent  *gateway.Spend
	Anchor time.Time
}

// Global are the ceilings on the whole gateway.
type Global struct {
	Limits gateway.Limits
	Spend  gateway.Spend
}

// Takes appends the limits that apply to p, narrow scopes first, and returns
// them. This is the one place that decides which limits apply to a call.
func Takes(dst []Take, p *gateway.Principal, g *Global) []Take {
	if k := p.Key; k != nil {
		dst = entity(dst, Scope{KeyScope, k.Hash}, k.Alias, &k.Limits, &k.Spend, k.CreatedAt)
	}
	if u := p.User; u != nil {
		// Budgets of a user are for personal keys: what a team's key spends is the team's.
		dst = entity(dst, Scope{UserScope, u.ID}, "", userLimits(p), &u.Spend, u.CreatedAt)
	}
	if t := p.Team; t != nil {
		dst = entity(dst, Scope{TeamScope, t.ID}, "", &t.Limits, &t.Spend, t.CreatedAt)
	}
	if g != nil {
		l := &g.Limits
		dst = rates(dst, Scope{Kind: GlobalScope}, l)
		if l.Budget != nil {
			dst = append(dst, Take{Limit: Limit{Scope{Kind: GlobalScope}, Money, int64(*l.Budget), window(l)}, Spent: &g.Spend})
		}
	}
	return dst
}

// userLimits returns the limits of the user that bind this call.
func userLimits(p *gateway.Principal) *gateway.Limits {
	if p.Team == nil || p.User.Limits.Budget == nil {
		return &p.User.Limits
	}
	l := p.User.Limits
	l.Budget = nil
	return &l
}

func entity(dst []Take, s Scope, label string, l *gateway.Limits, spent *gateway.Spend, anchor time.Time) []Take {
	dst = rates(dst, s, l)
	amount := int64(Unlimited)
	if l.Budget != nil {
		amount = int64(*l.Budget)
	}
	return append(dst, Take{Limit: Limit{s, Money, amount, window(l)}, Label: label, Spent: spent, Anchor: anchor})
}

func rates(dst []Take, s Scope, l *gateway.Limits) []Take {
	for _, r := range [...]struct {
		kind   Kind
		amount *int64
	}{{Requests, l.RPM}, {Tokens, l.TPM}, {Parallel, l.Parallel}} {
		if r.amount != nil {
			dst = append(dst, Take{Limit: Limit{Scope: s, Kind: r.kind, Amount: *r.amount}})
		}
	}
	return dst
}

// window returns the parsed budget window. A duration that cannot be parsed
// was refused when it was stored; should one turn up all the same, its budget
// counts for ever, which is the strict reading.
func window(l *gateway.Limits) Window {
	w, err := ParseWindow(l.BudgetDuration)
	if err != nil {
		return Window{}
	}
	return w
}
