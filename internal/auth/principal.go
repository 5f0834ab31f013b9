package auth

import (
	"cmp"
	"slices"

	"penstock/internal/gateway"
)

// Principal returns who a call with the key is charged to, before its body is
// known: Charge adds whom the body names.
func (d *Directory) Principal(k *gateway.Key) gateway.Principal {
	p := gateway.Principal{Role: gateway.InternalUser, Key: k, User: d.User(k.UserID), Team: d.Team(k.TeamID), Project: d.Project(k.ProjectID)}
	if p.User != nil && p.User.Role != "" {
		p.Role = p.User.Role
	}
	p.Organization = d.Organization(p.OrganizationID())
	if p.Team != nil {
		p.Member = member(p.Team.Members, k.UserID)
	}
	if p.Organization != nil {
		p.OrganizationMember = member(p.Organization.Members, k.UserID)
	}
	return p
}

// Charge adds to p what the body of a call names: its end user, with the
// default budget of the key or else the given one, and its tags. What is not
// stored has no limits and is left out.
func (d *Directory) Charge(p *gateway.Principal, endUser, defaultBudget string, tags []string) {
	if endUser != "" {
		if p.Key != nil && p.Key.EndUserBudgetID != "" {
			defaultBudget = p.Key.EndUserBudgetID
		}
		p.EndUser = d.EndUser(endUser, defaultBudget)
	}
	for _, name := range tags {
		if t := d.Tag(name); t != nil {
			p.Tags = append(p.Tags, t)
		}
	}
}

// member returns the user's place among the members of a team or organization of
// the directory, nil if it has none. Members stand there by user.
func member(members []gateway.Member, userID string) *gateway.Member {
	if userID == "" {
		return nil
	}
	i, ok := slices.BinarySearchFunc(members, userID, func(m gateway.Member, id string) int { return cmp.Compare(m.UserID, id) })
	if !ok {
		return nil
	}
	return &members[i]
}

// readyMember gives a member the limits and models of its budget, or of the
// team's budget for members. There a budget of nothing is no ceiling, as for
// LiteLLM; in a member's own it is one.
func (d *Directory) readyMember(m *gateway.Member, common string) {
	if m.BudgetID != "" {
		if b := d.Budget(m.BudgetID); b != nil {
			lend(&m.Limits, &b.Limits)
			if len(m.Models) == 0 {
				m.Models = b.AllowedModels
			}
		}
		return
	}
	b := d.Budget(common)
	if b == nil {
		return
	}
	own := m.Limits.Budget
	lend(&m.Limits, &b.Limits)
	if own == nil && m.Limits.Budget != nil && *m.Limits.Budget == 0 {
		m.Limits.Budget = nil
	}
	if len(m.Models) == 0 {
		m.Models = b.AllowedModels
	}
}

// Lent returns l with the limits of a stored budget where it has none, as the
// owner of l has them.
func (d *Directory) Lent(l gateway.Limits, budget string) gateway.Limits {
	d.lend(&l, budget)
	return l
}

// lend gives l the limits of a stored budget where it has none.
func (d *Directory) lend(l *gateway.Limits, budget string) {
	if b := d.Budget(budget); b != nil {
		lend(l, &b.Limits)
	}
}

// lend sets what is not set in l to what is in b.
func lend(l, b *gateway.Limits) {
	for _, p := range [...]struct{ own, shared **int64 }{
		{&l.RPM, &b.RPM}, {&l.TPM, &b.TPM}, {&l.InputTPM, &b.InputTPM}, {&l.OutputTPM, &b.OutputTPM}, {&l.TPD, &b.TPD}, {&l.Parallel, &b.Parallel},
	} {
		if *p.own == nil {
			*p.own = *p.shared
		}
	}
	if l.Budget == nil {
		l.Budget = b.Budget
	}
	if l.BudgetDuration == "" {
		l.BudgetDuration = b.BudgetDuration
	}
	if l.SoftBudget == nil {
		l.SoftBudget = b.SoftBudget
	}
	if len(l.Budgets) == 0 {
		l.Budgets = b.Budgets
	}
	if len(l.Models) == 0 {
		l.Models = b.Models
	}
	if len(l.TagRPM) == 0 {
		l.TagRPM = b.TagRPM
	}
	if l.RaiseUntil.IsZero() {
		l.Raise, l.RaiseUntil = b.Raise, b.RaiseUntil
	}
	l.Shadow = l.Shadow || b.Shadow
}
