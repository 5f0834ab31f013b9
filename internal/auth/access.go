package auth

import (
	"fmt"
	"slices"
	"strings"

	"penstock/internal/gateway"
)

// Groups returns the access groups that the named model belongs to, the model as
// a provider knows it ("openai/gpt-4o"), for wildcard entries, and the group that
// a name stands for by everybody's aliases. The routing table implements it.
type Groups interface {
	AccessGroups(model string) []string
	Qualified(model string) string
	Group(model string) string
}

// Served returns the name that a call of the model goes on with: after the
// aliases of p's team and then of its key, as with LiteLLM.
func Served(p *gateway.Principal, model string) string { return nameOf(p, model).served }

// naming is what a model is called on its way through aliases: as the client
// wrote it, as the team has it, as the key has that, and the group that this
// stands for by everybody's aliases. They are mostly one.
type naming struct{ asked, team, served, group string }

func nameOf(p *gateway.Principal, model string) naming {
	n := naming{asked: model, team: model}
	if p.Team != nil && p.Team.ModelAliases[model] != "" {
		n.team = p.Team.ModelAliases[model]
	}
	n.served = n.team
	if p.Key != nil && p.Key.Aliases[n.team] != "" {
		n.served = p.Key.Aliases[n.team]
	}
	return n
}

// plain is the naming of what is no alias of a team or a key.
func plain(model string, g Groups) naming { return naming{model, model, model, g.Group(model)} }

// Allowed checks that p may use the model, named as clients name it: its key and
// its team must both allow it, and so must the member of the team, the
// organization, a personal key's user, the project, and the end user and the tags
// of the call. An alias is no way round anybody else's list: they must allow what
// it stands for. The error is a *gateway.Error of kind Forbidden.
func (d *Directory) Allowed(p *gateway.Principal, model string, g Groups) error {
	if p.Master {
		return nil
	}
	n := nameOf(p, model)
	n.group = g.Group(n.served)
	return d.allowed(p, n, g)
}

// AllowedGroup is Allowed for a name that no team or key has renamed, as those of
// fallbacks are.
func (d *Directory) AllowedGroup(p *gateway.Principal, model string, g Groups) error {
	return d.allowed(p, plain(model, g), g)
}

func (d *Directory) allowed(p *gateway.Principal, n naming, g Groups) error {
	if p.Master {
		return nil
	}
	if t := p.Token; t != nil && len(t.Models) > 0 && !d.admits(t.Models, n, g) {
		return denied("key", "the role or scope of this token", t.Models, n)
	}
	granted := false // by an access group of the key, which reaches beyond its team
	if k := p.Key; k != nil {
		granted = d.grants(k.AccessGroupIDs, n, g)
		if !granted && !slices.Contains(k.Models, "all-team-models") && !d.admitsAny(k.Models, n, g) {
			return denied("key", "this key", k.Models, n)
		}
	}
	switch t, u := p.Team, p.User; {
	case t != nil:
		given := n.team != n.asked && n.served == n.team // by an alias of the team itself
		if !granted && !given && !d.grants(t.AccessGroupIDs, n, g) && !d.admits(t.Models, n, g) {
			return denied("team", "team "+t.ID, t.Models, n)
		}
		if m := p.Member; m != nil && len(m.Models) > 0 && !given && !d.admits(m.Models, n, g) {
			return denied("team", "user "+m.UserID+" as a member of team "+t.ID, m.Models, n)
		}
	case u != nil:
		if slices.Contains(u.Models, "no-default-models") {
			return denied("key", "user "+u.ID+", who may use models through teams only,", nil, n)
		}
		if !d.admits(u.Models, n, g) {
			return denied("user", "user "+u.ID, u.Models, n)
		}
	}
	if o := p.Organization; o != nil && !d.admits(o.Models, n, g) {
		return denied("org", "organization "+o.ID, o.Models, n)
	}
	if j := p.Project; j != nil && !d.admits(j.Models, n, g) {
		return denied("project", "project "+j.ID, j.Models, n)
	}
	if e := p.EndUser; e != nil && !d.admits(e.Models, n, g) {
		err := denied("customer", "", nil, n)
		err.Message = "The requested model '" + clip(n.asked) + "' is not in the allowed models for this customer. Check the models this customer can use and try again."
		return err
	}
	return nil
}

// grants reports whether one of the stored access groups holds what the name
// stands for.
func (d *Directory) grants(groups []string, n naming, g Groups) bool {
	for _, id := range groups {
		if a := d.AccessGroup(id); a != nil && holdsModel(a, n, g) {
			return true
		}
	}
	return false
}

// holdsModel reports whether the stored group has what the name stands for.
func holdsModel(a *gateway.AccessGroup, n naming, g Groups) bool {
	return len(a.Models) > 0 && (includes(a.Models, n.served, g) || n.group != n.served && includes(a.Models, n.group, g))
}

// admits reports whether a list of models admits what the name stands for. An
// empty list admits everything.
func (d *Directory) admits(list []string, n naming, g Groups) bool {
	return len(list) == 0 || d.lists(list, n.served, g) || n.group != n.served && d.lists(list, n.group, g)
}

// admitsAny is admits for the list of a key, whose aliases are its own: either
// name will do, the one that is asked for or what it stands for.
func (d *Directory) admitsAny(list []string, n naming, g Groups) bool {
	return d.admits(list, n, g) || n.asked != n.served && d.lists(list, n.asked, g) || n.team != n.served && n.team != n.asked && d.lists(list, n.team, g)
}

// lists reports whether the list has the model, by its name or by a group's.
func (d *Directory) lists(list []string, model string, g Groups) bool {
	if includes(list, model, g) {
		return true
	}
	for _, group := range g.AccessGroups(model) {
		if slices.Contains(list, group) {
			return true
		}
	}
	for _, entry := range list { // which may be the name of a stored group
		if a := d.AccessGroup(entry); a != nil && len(a.Models) > 0 && includes(a.Models, model, g) {
			return true
		}
	}
	return false
}

// includes reports whether an entry of the list is the model, or a wildcard for it.
func includes(list []string, model string, g Groups) bool {
	qualified := ""
	for _, entry := range list {
		switch {
		case entry == model, entry == "*", entry == "all-proxy-models", entry == "all-team-models":
			return true
		case strings.Contains(entry, "*"):
			if gateway.Match(entry, model, nil) {
				return true
			}
			if qualified == "" {
				if qualified = g.Qualified(model); qualified == "" {
					qualified = model
				}
			}
			if gateway.Match(entry, qualified, nil) {
				return true
			}
		}
	}
	return false
}

// Through returns the access groups of deployments through which alone p may
// use the model: nil if something else lets it in, or if p may not use it.
func (d *Directory) Through(p *gateway.Principal, model string, g Groups) []string {
	if p.Master {
		return nil
	}
	n := nameOf(p, model)
	n.group = g.Group(n.served)
	through := func(list, granted []string) []string {
		if len(list) == 0 || slices.Contains(list, "all-team-models") || d.grants(granted, n, g) || d.admits(list, n, none{g}) {
			return nil
		}
		var out []string
		for _, group := range g.AccessGroups(n.group) {
			if slices.Contains(list, group) {
				out = append(out, group)
			}
		}
		return out
	}
	if k := p.Key; k != nil {
		if groups := through(k.Models, k.AccessGroupIDs); groups != nil {
			return groups
		}
	}
	switch {
	case p.Team != nil:
		return through(p.Team.Models, p.Team.AccessGroupIDs)
	case p.User != nil:
		return through(p.User.Models, nil)
	}
	return nil
}

// charged returns the budgets of the access groups by which p may use what the
// name stands for, by name: those that have it and that a list names, of the key,
// the team, its member, the user of a personal key, the organization or the
// project, or that key or team were given. Where a list has the model itself, or
// everything, no group is asked.
func (d *Directory) charged(p *gateway.Principal, n naming, g Groups) []*gateway.GroupBudget {
	if p.Master || d.budgeted.Load() == 0 {
		return nil
	}
	of := g.AccessGroups(n.group)
	var out []*gateway.GroupBudget
	add := func(group string) {
		if slices.ContainsFunc(out, func(b *gateway.GroupBudget) bool { return b.Name == group }) {
			return
		}
		if b := d.GroupBudget(group); b != nil {
			out = append(out, b)
		}
	}
	named := func(list []string) {
		for _, entry := range list {
			switch a := d.AccessGroup(entry); {
			case slices.Contains(of, entry):
				add(entry)
			case a != nil && holdsModel(a, n, g):
				add(a.Name)
			}
		}
	}
	if p.Token != nil {
		named(p.Token.Models)
	}
	if k := p.Key; k != nil {
		named(k.Models)
		named(k.AccessGroupIDs)
	}
	switch {
	case p.Team != nil:
		named(p.Team.Models)
		named(p.Team.AccessGroupIDs)
		if p.Member != nil {
			named(p.Member.Models)
		}
	case p.User != nil:
		named(p.User.Models)
	}
	if p.Organization != nil {
		named(p.Organization.Models)
	}
	if p.Project != nil {
		named(p.Project.Models)
	}
	slices.SortFunc(out, func(a, b *gateway.GroupBudget) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// none are Groups without access groups.
type none struct{ Groups }

func (none) AccessGroups(string) []string { return nil }

// denied begins with LiteLLM's words, and then says whose list it was. What is
// in the list is the caller's own: its key, or what its key belongs to.
func denied(kind, whose string, list []string, n naming) *gateway.Error {
	msg := "The requested model '" + clip(n.asked) + "' is not available for this API key, or the model name is invalid. Check the models available to you and try again."
	switch {
	case len(list) > 0:
		shown := list[:min(len(list), 20)]
		msg += fmt.Sprintf(" (%s may use %s", whose, strings.Join(shown, ", "))
		if len(list) > len(shown) {
			msg += fmt.Sprintf(" and %d more", len(list)-len(shown))
		}
		msg += ")"
	case whose != "":
		msg += " (" + whose + " has none)"
	}
	if n.served != n.asked {
		msg += " It is an alias of '" + clip(n.served) + "'."
	}
	return &gateway.Error{Kind: gateway.Forbidden, Type: kind + "_model_access_denied", Param: "model", Message: msg}
}
