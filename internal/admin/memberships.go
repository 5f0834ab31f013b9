package admin

import (
	"fmt"
	"net/http"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

// membership is a user's place in a team.
type membership struct {
	UserID       string     `json:"user_id"`
	TeamID       string     `json:"team_id"`
	BudgetID     *string    `json:"budget_id"`
	Spend        usd        `json:"spend"`
	TotalSpend   usd        `json:"total_spend"`
	BudgetTable  *budgetRow `json:"litellm_budget_table"`
	BudgetSource *string    `json:"budget_source"` // "member", "team" or null
}

// budgetRow are the ceilings of a budget.
type budgetRow struct {
	BudgetID      *string  `json:"budget_id"`
	AllowedModels []string `json:"allowed_models"`
	limitsRow
}

func (a *API) budgetOf(b *gateway.Budget) *budgetRow {
	return &budgetRow{text(b.ID), list(b.AllowedModels), a.limitsRow(&b.Limits, a.now(), b.CreatedAt)}
}

// memberLimits are the ceilings that hold for a member: its own, and where it
// has none those of a budget.
func (a *API) memberLimits(t *gateway.Team, m *gateway.Member) *gateway.Limits {
	if lent := a.directory.Member(t.ID, m.UserID); lent != nil {
		return &lent.Limits
	}
	return &m.Limits
}

func (a *API) membership(t *gateway.Team, m *gateway.Member) membership {
	now, l := a.now(), a.memberLimits(t, m)
	id := gateway.MemberID(t.ID, m.UserID)
	out := membership{
		UserID: m.UserID, TeamID: t.ID, BudgetID: text(m.BudgetID),
		Spend: usd(a.live(MemberEntity, id, &m.Spend, l, now, t.CreatedAt)), TotalSpend: usd(m.Spend.Total),
	}
	source := ""
	switch {
	case m.BudgetID != "" || m.Limits.Budget != nil || m.Limits.RPM != nil || m.Limits.TPM != nil || m.Limits.BudgetDuration != "":
		source = "member"
	case t.MemberBudgetID != "":
		source = "team"
		out.BudgetID = text(t.MemberBudgetID)
	}
	out.BudgetSource = text(source)
	if source != "" || len(m.Models) > 0 {
		out.BudgetTable = &budgetRow{out.BudgetID, list(m.Models), a.limitsRow(l, now, t.CreatedAt)}
	}
	return out
}

func (a *API) memberships(t *gateway.Team) []membership {
	out := make([]membership, len(t.Members))
	for i := range t.Members {
		out[i] = a.membership(t, &t.Members[i])
	}
	return out
}

// ownPlace is the caller's place in a team.
type ownPlace struct {
	membership
	Role      string  `json:"role"`
	Email     *string `json:"user_email"`
	TeamAlias *string `json:"team_alias"`
}

// myMembership shows the caller's own place in a team.
func (a *API) myMembership(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	id := r.PathValue("team_id")
	t, err := a.teamFor(r.Context(), p, auth.See, id)
	if err != nil {
		return nil, err
	}
	m := memberIn(t, p.UserID())
	if m == nil {
		return nil, &gateway.Error{Kind: gateway.NotFound, Param: "team_id", Message: fmt.Sprintf("You are no member of team %s", id)}
	}
	return &ownPlace{a.membership(t, m), m.Role, text(m.Email), text(t.Alias)}, nil
}
