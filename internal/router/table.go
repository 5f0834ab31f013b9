package router

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
)

// Settings are what the configuration says about routing. Zero values are the
// defaults of withDefaults.
type Settings struct {
	Retries     int // further tries after the first, in one group
	MaxFallback int // fallback groups tried for one call, default 5

	Timeout    time.Duration // of a whole answer that is not streamed, default 10 min
	StreamIdle time.Duration // for the first byte of a stream and between bytes; 0: as long as for a whole answer

	RetryAfter time.Duration // least back-off

	Fallbacks        map[string][]string // by group
	DefaultFallbacks []string
	ContextWindow    map[string][]string
	ContentPolicy    map[string][]string

	Aliases map[string]Alias

	Cooldown         time.Duration // default 5 s
	DisableCooldowns bool
	// AllowedFails, if set, cools a deployment after more failures than that in
	// the cooldown time, instead of by the rules of failed.
	AllowedFails *int

	// Qualify returns the name of a model with its provider in front, "" if the
	// provider is not known. Nil knows none.
	Qualify func(model string) string
	// ForModel returns the deployment as it serves the model. Only a catch-all
	// whose provider depends on the model needs it; ok is false if it cannot.
	ForModel func(d *gateway.Deployment, model string) (served *gateway.Deployment, ok bool)
}

// Alias is another name for a group.
type Alias struct {
	Group  string
	Hidden bool // not listed in /v1/models
}

func (s Settings) withDefaults() Settings {
	s.MaxFallback = cmp.Or(s.MaxFallback, 5)
	s.Timeout = cmp.Or(s.Timeout, 10*time.Minute)
	if s.Qualify == nil {
		s.Qualify = func(string) string { return "" }
	}
	return s
}

// Table is a snapshot of what can be routed to. It never changes; a reload
// builds a new one.
type Table struct {
	set       Settings
	groups    map[string]*group
	names     []string // of groups, as configured
	byID      map[string]*member
	byModel   map[string]*group // "provider/model" of deployments, as a name of last resort
	wildcards []*group          // most specific first
	states    map[string]*state // by deployment ID; shared with earlier tables
}

// group is the deployments that share a public model name.
type group struct {
	name    string
	members []*member
	access  []string
}

// member is a deployment with what has happened to it.
type member struct {
	*gateway.Deployment
	*state
	wildcard bool
	alone    bool // no other deployment serves the group
}

// state is what is known of a deployment. It outlives tables: a reload must
// not make a broken deployment look well.
type state struct {
	coolUntil atomic.Int64 // Unix nanoseconds, 0: not cooling
	inFlight  atomic.Int64
	window    atomic.Int64 // minute that the counts below are of
	succeeded atomic.Int64
	failed    atomic.Int64
	allowance atomic.Int64 // failures counted against AllowedFails
	since     atomic.Int64 // Unix nanoseconds of the first of them
}

// New returns the table of the deployments. earlier, if not nil, is the table
// it replaces: deployments that are in both keep what was known of them.
func New(deployments []gateway.Deployment, s Settings, earlier *Table) *Table {
	t := &Table{
		set: s.withDefaults(), groups: map[string]*group{}, byID: map[string]*member{}, byModel: map[string]*group{},
		states: map[string]*state{},
	}
	for i := range deployments {
		d := &deployments[i]
		st := t.states[d.ID]
		if st == nil && earlier != nil {
			st = earlier.states[d.ID]
		}
		if st == nil {
			st = &state{}
		}
		t.states[d.ID] = st
		m := &member{Deployment: d, state: st, wildcard: strings.Contains(d.Group, "*")}
		g := t.groups[d.Group]
		if g == nil {
			g = &group{name: d.Group}
			t.groups[d.Group] = g
			t.names = append(t.names, d.Group)
			if m.wildcard {
				t.wildcards = append(t.wildcards, g)
			}
		}
		g.members = append(g.members, m)
		for _, a := range d.AccessGroups {
			if !slices.Contains(g.access, a) {
				g.access = append(g.access, a)
			}
		}
		t.byID[d.ID] = m
		if !m.wildcard {
			full := d.Provider + "/" + d.Upstream
			if t.byModel[full] == nil {
				t.byModel[full] = &group{name: full}
			}
			t.byModel[full].members = append(t.byModel[full].members, m)
		}
	}
	for _, g := range t.groups {
		for _, m := range g.members {
			m.alone = len(g.members) == 1
		}
	}
	// The longest pattern is the most specific; with the same length, the one
	// with more literal characters.
	slices.SortStableFunc(t.wildcards, func(a, b *group) int {
		return cmp.Or(len(b.name)-len(a.name), strings.Count(a.name, "*")-strings.Count(b.name, "*"))
	})
	return t
}

// found is the deployments a name stands for.
type found struct {
	name    string
	members []*member
	fill    []string // what the stars of a wildcard stood for
	exact   bool     // addressed by its id: no balancing and no cooldown
}

// upstream returns the vendor's model name of m, with the stars filled in.
func (f *found) upstream(m *member) string {
	if !m.wildcard || !strings.Contains(m.Upstream, "*") {
		return m.Upstream
	}
	if m.Upstream == "*" {
		// The vendor takes the name as the client wrote it, but for the prefix
		// that chose the vendor.
		if len(f.fill) > 0 && m.Group != "*" {
			return f.fill[len(f.fill)-1]
		}
		return strings.TrimPrefix(f.name, m.Provider+"/")
	}
	out := m.Upstream
	for _, s := range f.fill {
		out = strings.Replace(out, "*", s, 1)
	}
	return strings.ReplaceAll(out, "*", "")
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

// find returns what serves the name: a group, an alias, a deployment's id, the
// most specific wildcard, or the "provider/model" of a deployment.
func (t *Table) find(name string) (found, bool) {
	name = t.Group(name)
	if g := t.groups[name]; g != nil && !strings.Contains(name, "*") {
		return found{name: name, members: g.members}, true
	}
	if m := t.byID[name]; m != nil && !m.wildcard {
		return found{name: name, members: []*member{m}, exact: true}, true
	}
	if len(t.wildcards) > 0 {
		if f, ok := t.wildcard(name, name); ok {
			return f, true
		}
		if full := t.set.Qualify(name); full != "" && full != name {
			if f, ok := t.wildcard(full, name); ok {
				return f, true
			}
		}
	}
	if g := t.byModel[name]; g != nil {
		return found{name: name, members: g.members}, true
	}
	return found{}, false
}

func (t *Table) wildcard(name, asked string) (found, bool) {
	for _, g := range t.wildcards {
		var fill []string
		if !gateway.Match(g.name, name, &fill) {
			continue
		}
		if members := t.served(g.members, asked); len(members) > 0 {
			return found{name: asked, members: members, fill: fill}, true
		}
	}
	return found{}, false
}

// served returns the members that can serve the model. A catch-all becomes the
// deployment of the provider that the name points to.
func (t *Table) served(members []*member, model string) []*member {
	if !slices.ContainsFunc(members, func(m *member) bool { return m.Provider == "" }) {
		return members
	}
	var out []*member
	for _, m := range members {
		if m.Provider != "" {
			out = append(out, m)
		} else if t.set.ForModel != nil {
			if d, ok := t.set.ForModel(m.Deployment, model); ok {
				served := *m
				served.Deployment = d
				out = append(out, &served)
			}
		}
	}
	return out
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
	for _, n := range slices.Concat(t.names, slices.Sorted(maps.Keys(t.set.Aliases))) {
		if d := distance(strings.ToLower(model), strings.ToLower(n)); d <= max(2, len(n)/4) {
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

// distance is the edit distance of a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			prev, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, prev+cost)
		}
	}
	return row[len(b)]
}

// Target is one deployment and what to ask it for.
type Target struct {
	*gateway.Deployment
	Model   string        // the vendor's name of the model
	Timeout time.Duration // of a whole answer
	Idle    time.Duration // for a stream's first byte and between bytes
}

// Serving returns every deployment that may answer the name, those of its
// fallbacks included. It is empty if nobody serves it.
func (t *Table) Serving(name string) []Target {
	var out []Target
	seen := map[string]bool{}
	var add func(name string, depth int)
	add = func(name string, depth int) {
		f, ok := t.find(name)
		if !ok || seen[f.name] || depth > t.set.MaxFallback {
			return
		}
		seen[f.name] = true
		for _, m := range f.members {
			out = append(out, Target{Deployment: m.Deployment, Model: f.upstream(m)})
		}
		for _, list := range [][]string{t.fallbacks(t.set.Fallbacks, f.name), t.set.ContextWindow[f.name], t.set.ContentPolicy[f.name]} {
			for _, next := range list {
				add(next, depth+1)
			}
		}
	}
	add(name, 0)
	return out
}

func (t *Table) fallbacks(m map[string][]string, name string) []string {
	if list, ok := m[name]; ok {
		return list
	}
	if _, bare, ok := strings.Cut(name, "/"); ok {
		if list, ok := m[bare]; ok {
			return list
		}
	}
	return t.set.DefaultFallbacks
}

// Knows reports whether somebody serves the name.
func (t *Table) Knows(name string) bool {
	_, ok := t.find(name)
	return ok
}

// AccessGroups returns the access groups the model belongs to.
func (t *Table) AccessGroups(model string) []string {
	if g := t.groups[t.Group(model)]; g != nil {
		return g.access
	}
	return nil
}

// Qualified returns the model with its provider in front: what a wildcard like
// openai/* is compared with.
func (t *Table) Qualified(model string) string {
	if g := t.groups[t.Group(model)]; g != nil && len(g.members) > 0 && !g.members[0].wildcard {
		if strings.Contains(model, "/") {
			return model // it has a namespace of its own
		}
		return g.members[0].Provider + "/" + model
	}
	return t.set.Qualify(model)
}

// Names returns the public model names, wildcards included, in the order of
// the configuration, aliases last.
func (t *Table) Names() []string {
	names := slices.Clone(t.names)
	for _, a := range slices.Sorted(maps.Keys(t.set.Aliases)) {
		if !t.set.Aliases[a].Hidden && t.groups[a] == nil {
			names = append(names, a)
		}
	}
	return names
}

// Deployments returns all deployments in the order of the configuration.
func (t *Table) Deployments() []*gateway.Deployment {
	var out []*gateway.Deployment
	for _, n := range t.names {
		for _, m := range t.groups[n].members {
			out = append(out, m.Deployment)
		}
	}
	return out
}

// Fallbacks returns the configured fallbacks of the group.
func (t *Table) Fallbacks(name string) []string { return t.fallbacks(t.set.Fallbacks, name) }
