package limit

import (
	"math"

	"penstock/internal/gateway"
)

// ScopeKind is what a limit stands on.
type ScopeKind uint8

// The kinds of scopes, from narrow to wide. Cells are locked in this order, so
// two calls can never wait for each other in a circle.
const (
	SessionScope ScopeKind = iota
	KeyScope
	MemberScope
	OrganizationMemberScope
	UserScope
	EndUserScope
	ProjectScope
	TagScope
	TeamScope
	OrganizationScope
	AccessGroupScope
	DeploymentScope
	ProviderScope
	GlobalScope
	scopeKinds
)

// Scopes says how each kind of scope is called. A new scope is a row here and a
// line in Takes.
var Scopes = [scopeKinds]struct {
	Name  string // of rate limits in errors and headers: LiteLLM's descriptor
	Model string // the same for limits on one model within the scope
	Books string // what the ledger calls it
	// Budget is the message of a used-up budget, and Window that of one among
	// several (budget_limits): LiteLLM's texts, on which clients match. {id} is
	// the scope, {cost} and {budget} are amounts, {for} is the duration.
	Budget string
	Window string
	// ModelBudget is the message of a used-up budget for one model.
	ModelBudget string
}{
	SessionScope: {"session", "model_per_session", "session", budgetOf("Session={id} "), windowOf("Session={id}"), ""},
	KeyScope: {
		"api_key", "model_per_key", "key", budgetOf("Key={key} "), windowOf("Key"),
		"LiteLLM Virtual Key: {id}, key_alias: {alias}, exceeded budget for model={model}",
	},
	MemberScope: {"team_member", "model_per_team_member", "team_member", budgetOf("User={member} in Team={of} "), windowOf("User={member} in Team={of}"), ""},
	OrganizationMemberScope: {
		"organization_member", "model_per_organization_member", "organization_member",
		budgetOf("User={member} in Organization={of} "), windowOf("User={member} in Organization={of}"), "",
	},
	UserScope: {
		"user", "model_per_user", "user", overBudget("User={id}"), windowOf("User={id}"),
		"LiteLLM User: {id}, exceeded budget for model={model}",
	},
	EndUserScope: {
		"end_user", "model_per_end_user", "end_user", overBudget("End User={id}"), windowOf("End User={id}"),
		"LiteLLM End User: {id}, exceeded budget for model={model}",
	},
	ProjectScope: {"project", "model_per_project", "project", budgetOf("Project={id} "), windowOf("Project={id}"), ""},
	TagScope:     {"tag", "model_per_tag", "tag", budgetOf("Tag={id} "), windowOf("Tag={id}"), ""},
	TeamScope: {
		"team", "model_per_team", "team", budgetOf("Team={id} "), windowOf("Team={id}"),
		"LiteLLM Team: {id}, exceeded budget for model={model}",
	},
	OrganizationScope: {"organization", "model_per_organization", "organization", budgetOf("Organization={id} "), windowOf("Organization={id}"), ""},
	AccessGroupScope:  {"access_group", "model_per_access_group", "access_group", budgetOf("Model access group={id} "), windowOf("Model access group={id}"), ""},
	DeploymentScope:   {"deployment", "model_per_deployment", "deployment", crossed, crossed, ""},
	ProviderScope:     {"provider", "model_per_provider", "provider", crossed, crossed, ""},
	GlobalScope:       {"global", "model_per_global", "global", budgetOf(""), windowOf("Proxy"), ""},
}

// crossed is what a client is told if the last deployment that might have
// answered has spent its budget.
const crossed = "No deployments available - crossed budget: {scope} {id} has spent {cost} of {budget}"

func budgetOf(who string) string {
	return "Budget has been exceeded! " + who + "Current cost: {cost}, Max budget: {budget}"
}

func overBudget(who string) string {
	return "ExceededBudget: " + who + " over budget. Spend={cost}, Budget={budget}"
}

func windowOf(who string) string {
	return "ExceededBudget: " + who + " over {for} budget. Spend=${cost4}, Limit=${budget2}"
}

// Scope is what a limit stands on: a kind and which one of it.
type Scope struct {
	Kind ScopeKind
	ID   string
	Of   string // what the ID is one of: the team or organization of a member, the key of a session; mostly ""
}

// String returns the scope's id as errors and the ledger show it.
func (s Scope) String() string {
	if s.Of == "" {
		return s.ID
	}
	return gateway.MemberID(s.Of, s.ID)
}

// Unlimited is the amount of a limit that only counts. Money is counted for
// everybody, so that a budget set later knows what was spent.
const Unlimited = math.MaxInt64

// Global are the ceilings on the whole gateway.
type Global struct {
	Limits gateway.Limits
	Spend  gateway.Spend
}

// Limited reports whether there are any. Where there are none, no counter is
// shared by all calls.
func (g *Global) Limited() bool {
	l := &g.Limits
	return l.RPM != nil || l.TPM != nil || l.InputTPM != nil || l.OutputTPM != nil || l.Parallel != nil || l.Budget != nil ||
		l.SoftBudget != nil || len(l.Budgets)+len(l.Models) > 0
}
