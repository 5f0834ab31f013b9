package store

import (
	"context"
	"fmt"

	"penstock/internal/gateway"
)

// member is the stored form of a gateway.Member.
type member struct {
	UserID   string        `json:"user_id"`
	Email    string        `json:"email,omitzero"`
	Role     string        `json:"role"`
	Models   []string      `json:"models,omitempty"`
	BudgetID string        `json:"budget_id,omitzero"`
	Limits   *memberLimits `json:"limits,omitzero"`
}

// memberLimits is the stored form of all that a member's gateway.Limits hold:
// a member has no columns.
type memberLimits struct {
	RPM            *int64           `json:"rpm,omitzero"`
	TPM            *int64           `json:"tpm,omitzero"`
	Parallel       *int64           `json:"parallel,omitzero"`
	Budget         *gateway.NanoUSD `json:"budget,omitzero"`
	BudgetDuration string           `json:"budget_duration,omitzero"`
	SoftBudget     *gateway.NanoUSD `json:"soft_budget,omitzero"`
	More           *moreLimits      `json:"more,omitzero"`
}

// members are the people of a team or an organization. Their spend is not
// here: it is booked by the id of their place.
func members(p *[]gateway.Member) field {
	return packed("members",
		func() ([]member, error) { return packMembers(*p) },
		func(list *[]member) { *p = unpackMembers(*list) })
}

func packMembers(ms []gateway.Member) ([]member, error) {
	out := make([]member, len(ms))
	for i := range ms {
		m := &ms[i]
		err := checkIDs(named{"user_id", m.UserID}, named{"budget_id", m.BudgetID})
		if err == nil {
			err = checkTexts(append(limitTexts(&m.Limits), named{"user_email", m.Email}, named{"role", m.Role}, named{"budget_duration", m.Limits.BudgetDuration})...)
		}
		if err != nil {
			return nil, err
		}
		out[i] = member{UserID: m.UserID, Email: m.Email, Role: m.Role, Models: m.Models, BudgetID: m.BudgetID}
		l := memberLimits{
			m.Limits.RPM, m.Limits.TPM, m.Limits.Parallel, m.Limits.Budget, m.Limits.BudgetDuration, m.Limits.SoftBudget, nil,
		}
		if more := packLimits(&m.Limits); !more.empty() {
			l.More = &more
		}
		if l != (memberLimits{}) {
			out[i].Limits = &l
		}
	}
	return out, nil
}

func unpackMembers(list []member) []gateway.Member {
	var out []gateway.Member
	for _, m := range list {
		g := gateway.Member{UserID: m.UserID, Email: m.Email, Role: m.Role, Models: m.Models, BudgetID: m.BudgetID}
		if l := m.Limits; l != nil {
			if l.More != nil {
				l.More.unpack(&g.Limits)
			}
			g.Limits.RPM, g.Limits.TPM, g.Limits.Parallel = l.RPM, l.TPM, l.Parallel
			g.Limits.Budget, g.Limits.BudgetDuration, g.Limits.SoftBudget = l.Budget, l.BudgetDuration, l.SoftBudget
		}
		out = append(out, g)
	}
	return out
}

// fillMembers sets what the members of teams have spent in them.
func fillMembers(ctx context.Context, q querier, ts []*gateway.Team) error {
	at := map[string]*gateway.Spend{}
	for _, t := range ts {
		places(at, t.ID, t.Members)
	}
	return spentByMembers(ctx, q, Member, at)
}

// fillOrgMembers sets what the members of organizations have spent in them.
func fillOrgMembers(ctx context.Context, q querier, os []*gateway.Organization) error {
	at := map[string]*gateway.Spend{}
	for _, o := range os {
		places(at, o.ID, o.Members)
	}
	return spentByMembers(ctx, q, OrgMember, at)
}

func places(at map[string]*gateway.Spend, of string, members []gateway.Member) {
	for i := range members {
		at[fitID(gateway.MemberID(of, members[i].UserID))] = &members[i].Spend
	}
}

func spentByMembers(ctx context.Context, q querier, scope string, at map[string]*gateway.Spend) error {
	if err := totalsOf(ctx, q, scope, at); err != nil {
		return fmt.Errorf("read what members have spent: %w", err)
	}
	return nil
}
