package auth

import (
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
// allow it, and a personal key's user too. The error is a *gateway.Error of
// kind Forbidden.
func Allowed(p *gateway.Principal, model string, g Groups) error {
	if p.Master {
		return nil
	}
	if k := p.Key; k != nil {
		list := k.Models
		if slices.Contains(list, "all-team-models") {
			list = nil // the team's list decides, below
		}
		if !allow(list, model, k.Aliases, g) {
			return denied("key", model)
		}
	}
	switch {
	case p.Team != nil:
		if !allow(p.Team.Models, model, p.Team.ModelAliases, g) && p.Team.ModelAliases[model] == "" {
			return denied("team", model)
		}
	case p.User != nil:
		if slices.Contains(p.User.Models, "no-default-models") {
			return denied("key", model)
		}
		if !allow(p.User.Models, model, nil, g) {
			return denied("user", model)
		}
	}
	return nil
}

// allow reports whether a list of models admits the model. An empty list
// admits everything.
func allow(list []string, model string, aliases map[string]string, g Groups) bool {
	if len(list) == 0 {
		return true
	}
	target := aliases[model]
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
	for _, group := range g.AccessGroups(model) {
		if slices.Contains(list, group) {
			return true
		}
	}
	return false
}

// Through returns the access groups through which alone p may use the model:
// nil if something else lets it in, or if p may not use it.
func Through(p *gateway.Principal, model string, g Groups) []string {
	if p.Master {
		return nil
	}
	through := func(list []string, aliases map[string]string) []string {
		if len(list) == 0 || slices.Contains(list, "all-team-models") || allow(list, model, aliases, none{g}) {
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
	if p.Key != nil {
		if groups := through(p.Key.Models, p.Key.Aliases); groups != nil {
			return groups
		}
	}
	switch {
	case p.Team != nil:
		return through(p.Team.Models, p.Team.ModelAliases)
	case p.User != nil:
		return through(p.User.Models, nil)
	}
	return nil
}

// none are Groups without access groups.
type none struct{ Groups }

func (none) AccessGroups(string) []string { return nil }

func denied(who, model string) *gateway.Error {
	return &gateway.Error{
		Kind: gateway.Forbidden, Type: who + "_model_access_denied", Param: "model",
		Message: "The requested model '" + model + "' is not available for this API key, or the model name is invalid. Check the models available to you and try again.",
	}
}
