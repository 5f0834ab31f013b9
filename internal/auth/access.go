package auth

import (
	"fmt"
	"slices"
	"strings"

	"penstock/internal/gateway"
)

// Groups returns the access groups that the named model belongs to, and the
// model as a provider knows it ("openai/gpt-4o"), for wildcard entries. The
// routing table implements it.
type Groups interface {
	AccessGroups(model string) []string
	Qualified(model string) string
}

// Allowed checks that p may use the model: its key and its team must both
// allow it, and so must the member of the team, the organization, a personal
// key's user, the project, and the end user and the tags of the call. The error
// is a *gateway.Error of kind Forbidden.
func (d *Directory) Allowed(p *gateway.Principal, model string, g Groups) error {
	if p.Master {
		return nil
	}
	if t := p.Token; t != nil && len(t.Models) > 0 && !d.allow(t.Models, model, nil, g) {
		return denied("key", "the role or scope of this token", t.Models, model)
	}
	granted := false // by an access group of the key, which reaches beyond its team
	if k := p.Key; k != nil {
		granted = d.grants(k.AccessGroupIDs, model, g)
		if !granted && !slices.Contains(k.Models, "all-team-models") && !d.allow(k.Models, model, k.Aliases, g) {
			return denied("key", "this key", k.Models, model)
		}
	}
	switch t, u := p.Team, p.User; {
	case t != nil:
		if !granted && t.ModelAliases[model] == "" && !d.grants(t.AccessGroupIDs, model, g) && !d.allow(t.Models, model, t.ModelAliases, g) {
			return denied("team", "team "+t.ID, t.Models, model)
		}
		if m := p.Member; m != nil && len(m.Models) > 0 && t.ModelAliases[model] == "" && !d.allow(m.Models, model, t.ModelAliases, g) {
			return denied("team", "user "+m.UserID+" as a member of team "+t.ID, m.Models, model)
		}
	case u != nil:
		if slices.Contains(u.Models, "no-default-models") {
			return denied("key", "user "+u.ID+", who may use models through teams only,", nil, model)
		}
		if !d.allow(u.Models, model, nil, g) {
			return denied("user", "user "+u.ID, u.Models, model)
		}
	}
	if o := p.Organization; o != nil && !d.allow(o.Models, model, modelAliases(p), g) {
		return denied("org", "organization "+o.ID, o.Models, model)
	}
	if j := p.Project; j != nil && !d.allow(j.Models, model, modelAliases(p), g) {
		return denied("project", "project "+j.ID, j.Models, model)
	}
	if e := p.EndUser; e != nil && !d.allow(e.Models, model, modelAliases(p), g) {
		err := denied("customer", "", nil, model)
		err.Message = "The requested model '" + clip(model) + "' is not in the allowed models for this customer. Check the models this customer can use and try again."
		return err
	}
	return nil
}

// modelAliases are the names under which p's team, or else its key, knows models.
func modelAliases(p *gateway.Principal) map[string]string {
	switch {
	case p.Team != nil && len(p.Team.ModelAliases) > 0:
		return p.Team.ModelAliases
	case p.Key != nil:
		return p.Key.Aliases
	}
	return nil
}

// grants reports whether one of the stored access groups holds the model.
func (d *Directory) grants(groups []string, model string, g Groups) bool {
	for _, id := range groups {
		if a := d.AccessGroup(id); a != nil && len(a.Models) > 0 && includes(a.Models, model, "", g) {
			return true
		}
	}
	return false
}

// allow reports whether a list of models admits the model. An empty list
// admits everything.
func (d *Directory) allow(list []string, model string, aliases map[string]string, g Groups) bool {
	if len(list) == 0 || includes(list, model, aliases[model], g) {
		return true
	}
	for _, group := range g.AccessGroups(model) {
		if slices.Contains(list, group) {
			return true
		}
	}
	return d.grants(list, model, g) // an entry may be the name of a stored group
}

// includes reports whether an entry of the list is the model, what it is an alias
// of, or a wildcard for it.
func includes(list []string, model, target string, g Groups) bool {
	qualified := ""
	for _, entry := range list {
		switch {
		case entry == model, target != "" && entry == target, entry == "*", entry == "all-proxy-models", entry == "all-team-models":
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
	through := func(list, granted []string, aliases map[string]string) []string {
		if len(list) == 0 || slices.Contains(list, "all-team-models") || d.grants(granted, model, g) || d.allow(list, model, aliases, none{g}) {
			return nil
		}
		var out []string
		for _, group := range g.AccessGroups(model) {
			if slices.Contains(list, group) {
				out = append(out, group)
			}
		}
		return out
	}
	if k := p.Key; k != nil {
		if groups := through(k.Models, k.AccessGroupIDs, k.Aliases); groups != nil {
			return groups
		}
	}
	switch {
	case p.Team != nil:
		return through(p.Team.Models, p.Team.AccessGroupIDs, p.Team.ModelAliases)
	case p.User != nil:
		return through(p.User.Models, nil, nil)
	}
	return nil
}

// none are Groups without access groups.
type none struct{ Groups }

func (none) AccessGroups(string) []string { return nil }

// denied begins with LiteLLM's words, and then says whose list it was. What is
// in the list is the caller's own: its key, or what its key belongs to.
func denied(kind, whose string, list []string, model string) *gateway.Error {
	msg := "The requested model '" + clip(model) + "' is not available for this API key, or the model name is invalid. Check the models available to you and try again."
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
	return &gateway.Error{Kind: gateway.Forbidden, Type: kind + "_model_access_denied", Param: "model", Message: msg}
}
