package router

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"penstock/internal/gateway"
	"penstock/internal/typo"
)

// Route is what a client's model name stands for. It is looked up once per
// call; the zero Route goes nowhere.
type Route struct {
	t    *Table
	c    *gateway.Call
	g    *group
	over *Override
}

// Route finds what serves the call: its group of deployments. The error is a
// *gateway.Error that names the model, and models that are spelled like it.
func (t *Table) Route(c *gateway.Call) (Route, error) {
	r, err := t.RouteTo(c, c.Group)
	if err != nil {
		return Route{}, err
	}
	if r.g == nil {
		return Route{}, t.Unknown(path(c), c.Model)
	}
	return r, nil
}

// RouteTo finds what serves the call under another name, such as that of a
// fallback; the Route goes nowhere if nobody does.
func (t *Table) RouteTo(c *gateway.Call, name string) (Route, error) {
	over := t.override(&c.Principal)
	if to := over.Aliases[name]; to != "" {
		name = string(to)
		if err := t.set.Allowed(&c.Principal, name, t); err != nil {
			return Route{}, err
		}
	}
	g, err := t.find(name, &c.Principal)
	return Route{t: t, c: c, g: g, over: over}, err
}

// Nowhere reports whether the route has no deployments.
func (r *Route) Nowhere() bool { return r.g == nil }

// Group returns the name of the group.
func (r *Route) Group() string { return r.g.name }

// Key returns a name for the route that differs where its deployments do: two
// teams may have models of the same name.
func (r *Route) Key() string {
	name, p := r.g.name, &r.c.Principal
	if len(r.t.teams) > 0 && r.t.teams[p.TeamID()] != nil || len(teamSettings(p)) > 0 {
		name += "\x00" + p.TeamID()
	}
	if len(keySettings(p)) > 0 { // it may have fallbacks of its own
		name += "\x00\x00" + p.KeyHash()
	}
	return name
}

// path returns the endpoint's path as LiteLLM names it in messages.
func path(c *gateway.Call) string {
	switch {
	case c.Dialect == gateway.Anthropic:
		return "/v1/messages"
	case c.Op == gateway.Embed:
		return "/embeddings"
	}
	return "/chat/completions"
}

// Group returns the group that a client's model name stands for, after aliases.
func (t *Table) Group(model string) string {
	if t.groups[model] == nil {
		if a, ok := t.set.Aliases[model]; ok {
			return a.Group
		}
	}
	return model
}

// Knows reports whether somebody serves the name to p; a nil p has no team.
func (t *Table) Knows(name string, p *gateway.Principal) bool {
	g, _ := t.find(name, p)
	return g != nil
}

// find returns what serves the name for p: its team's own deployments, a
// group, an alias, a deployment's id, the most specific wildcard, or the
// "provider/model" of a deployment; nil if nobody does. A nil p has no team.
func (t *Table) find(name string, p *gateway.Principal) (*group, error) {
	teamID := ""
	if p != nil && len(t.teams) > 0 {
		teamID = p.TeamID()
		if o := t.teams[teamID]; o != nil {
			if g := o.groups[name]; g != nil && !strings.Contains(name, "*") {
				return t.as(g, gateway.ByTeam), nil
			}
		}
	}
	name = t.Group(name)
	if g := t.groups[name]; g != nil && !strings.Contains(name, "*") {
		return g, nil
	}
	if m := t.byID[name]; m != nil && !m.wildcard && (m.TeamID == "" || m.TeamID == teamID || admin(p)) {
		one := *m
		g := &group{name: name, members: []*member{&one}}
		t.finish(g)
		g.exact, g.how = true, gateway.ByID
		return g, nil
	}
	if o := t.teams[teamID]; o != nil && len(o.wildcards.all) > 0 {
		if g := t.wildcard(&o.wildcards, name, name); g != nil {
			return t.as(g, gateway.ByTeam), nil
		}
	}
	if admin(p) {
		if g, err := t.anyTeam(name); g != nil || err != nil {
			return g, err
		}
	}
	if len(t.wildcards.all) > 0 {
		if g := t.global(name); g != nil {
			return g, nil
		}
	}
	if g := t.byModel[name]; g != nil {
		return t.as(g, gateway.ByUpstream), nil
	}
	return nil, nil
}

func admin(p *gateway.Principal) bool {
	return p != nil && (p.Master || p.Role == gateway.ProxyAdmin)
}

// as returns g, found in another way than by its name.
func (t *Table) as(g *group, how gateway.Naming) *group {
	if g.how == how {
		return g
	}
	one := *g
	one.how = how
	return &one
}

// anyTeam returns the one team's group of that name: administrators may use
// every team's models.
func (t *Table) anyTeam(name string) (*group, error) {
	var found *group
	var owners []string
	for _, id := range slices.Sorted(maps.Keys(t.teams)) {
		if g := t.teams[id].groups[name]; g != nil {
			found, owners = g, append(owners, id)
		}
	}
	if len(owners) > 1 {
		return nil, gateway.Invalidf("model", "model=%s is a name of several teams (%s). Call it by a deployment's model_info.id, or with a key of the team.",
			short(name), strings.Join(owners, ", "))
	}
	if found == nil {
		return nil, nil
	}
	return t.as(found, gateway.ByTeam), nil
}

// wildcards are groups whose names have stars, findable without looking at
// each: by what stands before the first star.
type wildcards struct {
	all      []*group            // most specific first
	byPrefix map[string][]*group // most specific first
	lengths  []int               // of the prefixes there are
}

func (w *wildcards) add(g *group) {
	prefix, _, _ := strings.Cut(g.name, "*")
	if w.byPrefix == nil {
		w.byPrefix = map[string][]*group{}
	}
	if w.byPrefix[prefix] == nil && !slices.Contains(w.lengths, len(prefix)) {
		w.lengths = append(w.lengths, len(prefix))
	}
	w.byPrefix[prefix] = append(w.byPrefix[prefix], g)
	w.all = append(w.all, g)
}

// specific orders patterns: the longest is the most specific; with the same
// length, the one with more literal characters.
func specific(a, b *group) int {
	return cmp.Or(len(b.name)-len(a.name), strings.Count(a.name, "*")-strings.Count(b.name, "*"))
}

func (w *wildcards) sort() {
	slices.SortStableFunc(w.all, specific)
	for _, list := range w.byPrefix {
		slices.SortStableFunc(list, specific)
	}
}

// matches returns the groups whose patterns match the name, most specific first.
func (w *wildcards) matches(name string) []*group {
	var out []*group
	for _, n := range w.lengths {
		if n > len(name) {
			continue
		}
		for _, g := range w.byPrefix[name[:n]] {
			if gateway.Match(g.name, name, nil) {
				out = append(out, g)
			}
		}
	}
	slices.SortStableFunc(out, specific)
	return out
}

// maxResolved bounds the names under wildcards that a table remembers: they
// are the clients' to choose.
const maxResolved = 10_000

// global returns what serves the name under a wildcard.
func (t *Table) global(name string) *group {
	if g, ok := t.resolved.Load(name); ok {
		return g.(*group)
	}
	g := t.wildcard(&t.wildcards, name, name)
	if g == nil {
		if full := t.set.Qualify(name); full != "" && full != name {
			g = t.wildcard(&t.wildcards, full, name)
		}
	}
	if g != nil && t.nResolved.Load() < maxResolved {
		if _, had := t.resolved.LoadOrStore(name, g); !had {
			t.nResolved.Add(1)
		}
	}
	return g
}

func (t *Table) wildcard(w *wildcards, name, asked string) *group {
	for _, pattern := range w.matches(name) {
		g := &group{name: asked, pattern: pattern.name, how: gateway.ByWildcard, access: pattern.access}
		gateway.Match(pattern.name, name, &g.fill)
		if g.members = t.served(pattern.members, asked); len(g.members) > 0 {
			for _, m := range g.members {
				t.learn(m, g.upstream(m))
			}
			t.finish(g)
			return g
		}
	}
	return nil
}

// served returns the members that can serve the model. A catch-all becomes the
// deployment of the provider that the name points to.
func (t *Table) served(members []*member, model string) []*member {
	out := make([]*member, 0, len(members))
	for _, m := range members {
		d := m.Deployment
		if d.Provider == "" {
			ok := false
			if t.set.ForModel != nil {
				d, ok = t.set.ForModel(d, model)
			}
			if !ok {
				continue
			}
		}
		out = append(out, t.member(d, m.state, true))
	}
	return out
}

// upstream returns the vendor's model name of m, with the stars filled in.
func (g *group) upstream(m *member) string {
	if !m.wildcard || !strings.Contains(m.Upstream, "*") {
		return m.Upstream
	}
	if m.Upstream == "*" {
		// The vendor takes the name as the client wrote it, but for the prefix
		// that chose the vendor.
		if len(g.fill) > 0 && m.Group != "*" {
			return g.fill[len(g.fill)-1]
		}
		return strings.TrimPrefix(g.name, m.Provider+"/")
	}
	out := m.Upstream
	for _, s := range g.fill {
		out = strings.Replace(out, "*", s, 1)
	}
	return strings.ReplaceAll(out, "*", "")
}

// Names returns the public model names that p may see, wildcards included: its
// team's own, then everybody's in the order of the configuration, aliases
// last. A nil p has no team. Names of which every deployment is hidden or
// blocked are left out.
func (t *Table) Names(p *gateway.Principal) []string {
	var names []string
	if p != nil {
		if o := t.teams[p.TeamID()]; o != nil {
			for _, n := range o.names {
				if o.groups[n].listed() {
					names = append(names, n)
				}
			}
		}
	}
	for _, n := range t.names {
		if t.groups[n].listed() && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for _, a := range slices.Sorted(maps.Keys(t.set.Aliases)) {
		if !t.set.Aliases[a].Hidden && t.groups[a] == nil {
			names = append(names, a)
		}
	}
	return names
}

func (g *group) listed() bool {
	return slices.ContainsFunc(g.members, func(m *member) bool { return !m.Hidden && !m.Blocked })
}

// Unknown returns the error for a model that nobody serves. path is the
// endpoint's, without version, as LiteLLM names it.
func (t *Table) Unknown(path, model string) *gateway.Error {
	msg := fmt.Sprintf("%s: Invalid model name passed in model=%s. Call `/v1/models` to view available models for your key.", path, short(model))
	if near := t.near(model); near != "" {
		msg += " Did you mean " + near + "?"
	}
	return &gateway.Error{Kind: gateway.Invalid, Param: "model", Message: msg}
}

func short(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// near returns the names most like model, quoted, "" if none is.
func (t *Table) near(model string) string {
	if len(model) > 200 {
		return ""
	}
	type guess struct {
		name string
		d    int
	}
	var best []guess
	for _, n := range t.Names(nil) {
		most := max(2, len(n)/4)
		if d := typo.Distance(strings.ToLower(model), strings.ToLower(n), most); d <= most {
			best = append(best, guess{n, d})
		}
	}
	slices.SortStableFunc(best, func(a, b guess) int { return a.d - b.d })
	var out strings.Builder
	for i, g := range best[:min(len(best), 3)] {
		if i > 0 {
			out.WriteString(" or ")
		}
		out.WriteString("'" + g.name + "'")
	}
	return out.String()
}
