package router

import (
	"cmp"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
)

// Settings are what the configuration says about routing. Zero values are the
// defaults of withDefaults.
type Settings struct {
	Strategy Strategy            // by default simple-shuffle
	Groups   map[string]Strategy // of single groups
	Args     Args
	// GroupArgs are those of single groups, instead of Args.
	GroupArgs map[string]Args

	Retries int // further tries after the first, in one group
	// RetryPolicy says it by LiteLLM's names of errors ("RateLimitError",
	// "Default"), and GroupRetryPolicy for one group.
	RetryPolicy      map[string]int
	GroupRetryPolicy map[string]map[string]int
	RetryAfter       time.Duration // least back-off
	// WeightedFailover, with simple-shuffle, asks every other deployment of an
	// order once when the retries are used up.
	WeightedFailover bool

	Timeout    time.Duration // of a whole answer that is not streamed, default 10 min
	StreamIdle time.Duration // for the first byte of a stream and between bytes; 0: as long as for a whole answer
	// Total is how long after its start a call may begin another attempt,
	// default the longer of Timeout and 10 min.
	Total time.Duration

	// Fallbacks are by group. A nil map is "none configured": then, for the two
	// special ones, Fallbacks apply.
	Fallbacks        map[string][]string
	DefaultFallbacks []string
	ContextWindow    map[string][]string
	ContentPolicy    map[string][]string
	MaxFallback      int // fallbacks of fallbacks, default 5

	Aliases map[string]Alias

	Cooldown         time.Duration // how long a deployment that fails gets no calls; 0: it goes on
	DisableCooldowns bool
	// AllowedFails, if set, cools a deployment after more failures than that in
	// the cooldown time, instead of by the rules of broken; FailsPolicy says it
	// by LiteLLM's names of errors.
	AllowedFails *int
	FailsPolicy  map[string]int

	// PreCallChecks leaves out deployments whose context window is too small or
	// whose rpm is used up.
	PreCallChecks bool
	// EnforceLimits makes a deployment's rpm and tpm hard limits, whatever the strategy.
	EnforceLimits bool

	// TagFiltering sends calls to deployments with their tags. With MatchAll a
	// deployment needs all of a call's tags, otherwise one. Only tags that
	// begin with TagPrefix count.
	TagFiltering bool
	MatchAll     bool
	TagPrefix    string

	Affinity Affinity

	// Room, if not nil, knows limits that are kept elsewhere.
	Room Room
	// Facts tells about the vendor's model as the deployment serves it. Nil knows nothing.
	Facts func(d *gateway.Deployment, model string) Facts

	// Allowed returns why p may not use the model, nil if it may. It is asked of
	// models that the settings of a key or a team lead to: they must not reach
	// further than what it was given. Nil allows everything.
	Allowed func(p *gateway.Principal, model string, t *Table) error
	// AllowedOnly has the configured fallbacks left out, too, that p may not use.
	AllowedOnly bool
	// Qualify returns the name of a model with its provider in front, "" if the
	// provider is not known. Nil knows none.
	Qualify func(model string) string
	// ForModel returns the deployment as it serves the model. Only a catch-all
	// whose provider depends on the model needs it; ok is false if it cannot.
	ForModel func(d *gateway.Deployment, model string) (served *gateway.Deployment, ok bool)

	// Random is where chance comes from, 64 bits at a time; nil is math/rand/v2.
	// It must be safe for concurrent use.
	Random func() uint64

	retries      *policy
	groupRetries map[string]*policy
	fails        *policy
}

// Room knows limits of deployments that are kept outside the router, such as
// budgets of deployments and providers.
type Room interface {
	// Room returns NoFilter if the deployment has room for a call, otherwise
	// what keeps it out. It is asked of the deployment that was
	// chosen, and of the others if that has none; it must not wait.
	Room(d *gateway.Deployment) gateway.Filter
}

// Alias is another name for a group.
type Alias struct {
	Group  string
	Hidden bool // not listed in /v1/models
}

func (s Settings) withDefaults() Settings {
	s.Strategy = cmp.Or(s.Strategy, SimpleShuffle)
	s.Args = s.Args.withDefaults()
	s.GroupArgs = maps.Clone(s.GroupArgs)
	for g, a := range s.GroupArgs {
		s.GroupArgs[g] = a.withDefaults()
	}
	s.Affinity = s.Affinity.withDefaults()
	s.MaxFallback = cmp.Or(s.MaxFallback, 5)
	s.Timeout = cmp.Or(s.Timeout, 10*time.Minute)
	s.Total = cmp.Or(s.Total, max(s.Timeout, 10*time.Minute))
	if s.Allowed == nil {
		s.Allowed = func(*gateway.Principal, string, *Table) error { return nil }
	}
	if s.Random == nil {
		s.Random = rand.Uint64
	}
	if s.Qualify == nil {
		s.Qualify = func(string) string { return "" }
	}
	s.retries, s.fails, s.groupRetries = newPolicy(s.RetryPolicy), newPolicy(s.FailsPolicy), map[string]*policy{}
	for g, p := range s.GroupRetryPolicy {
		s.groupRetries[g] = newPolicy(p)
	}
	return s
}

// Table is a snapshot of what can be routed to. It never changes; a reload
// builds a new one.
type Table struct {
	set       Settings
	all       []*member
	groups    map[string]*group
	names     []string // of groups, as configured
	byID      map[string]*member
	byModel   map[string]*group // "provider/model" of deployments, as a name of last resort
	wildcards wildcards
	teams     map[string]*team
	states    map[string]*state // by deployment ID; shared with earlier tables
	mem       *memory           // shared with earlier tables

	resolved  sync.Map // name -> *group of a wildcard
	nResolved atomic.Int64

	overrides  sync.Map // *byte, where a key's or team's settings begin -> *Override
	nOverrides atomic.Int64
}

// team is what only one team may use.
type team struct {
	groups    map[string]*group // by public name
	wildcards wildcards
	names     []string
}

// memory is what the tables of a process have in common beside the states.
type memory struct {
	seed maphash.Seed
	pins pins
}

// group is the deployments that a name stands for.
type group struct {
	name     string
	pattern  string // the wildcard that stands for it, "" if none does
	members  []*member
	levels   []level // lowest order first, those without an order last
	strategy chooser
	called   string // the strategy's name
	args     *Args
	access   []string
	fill     []string // what the stars of a wildcard stood for
	exact    bool     // addressed by its id: no balancing and no cooldown
	how      gateway.Naming

	// What none of the members has need not be looked at.
	lacking gateway.Capability // that some have and others lack
	caches  bool               // somebody remembers prompts
	tagging bool               // tags may count
	rpm     bool               // rpm is a limit
	tpm     bool               // tpm is a limit
}

// New returns the table of the deployments. earlier, if not nil, is the table
// it replaces: deployments that are in both keep what was known of them.
func New(deployments []gateway.Deployment, s Settings, earlier *Table) *Table {
	t := &Table{
		set: s.withDefaults(), groups: map[string]*group{}, byID: map[string]*member{}, byModel: map[string]*group{},
		teams: map[string]*team{}, states: map[string]*state{},
	}
	if earlier != nil {
		t.mem = earlier.mem
	} else {
		t.mem = &memory{seed: maphash.MakeSeed(), pins: make(pins, pinSlots)}
	}
	for i := range deployments {
		t.add(&deployments[i], earlier)
	}
	for _, g := range t.groups {
		t.finish(g)
	}
	for _, g := range t.byModel {
		t.finish(g)
	}
	for _, m := range t.teams {
		for _, g := range m.groups {
			t.finish(g)
		}
		m.wildcards.sort()
	}
	t.wildcards.sort()
	return t
}

func (t *Table) add(d *gateway.Deployment, earlier *Table) {
	st := t.states[d.ID]
	if st == nil && earlier != nil {
		st = earlier.states[d.ID]
	}
	if st == nil {
		st = &state{}
	}
	t.states[d.ID] = st
	name := d.Group
	if d.TeamID != "" {
		name = cmp.Or(d.TeamModel, d.Group)
	}
	m := t.member(d, st, strings.Contains(name, "*"))
	t.all = append(t.all, m)
	t.byID[d.ID] = m
	if d.TeamID != "" {
		o := t.teams[d.TeamID]
		if o == nil {
			o = &team{groups: map[string]*group{}}
			t.teams[d.TeamID] = o
		}
		if join(o.groups, name, m) {
			o.names = append(o.names, name)
			if m.wildcard {
				o.wildcards.add(o.groups[name])
			}
		}
		if d.Group != name && !strings.Contains(d.Group, "*") {
			join(o.groups, d.Group, m)
		}
		return
	}
	if join(t.groups, name, m) {
		t.names = append(t.names, name)
		if m.wildcard {
			t.wildcards.add(t.groups[name])
		}
	}
	if !m.wildcard {
		join(t.byModel, d.Provider+"/"+d.Upstream, m)
	}
}

// join adds m to a group, and reports whether the group is new.
func join(groups map[string]*group, name string, m *member) bool {
	g, had := groups[name]
	if !had {
		g = &group{name: name}
		groups[name] = g
	}
	one := *m // each group knows its members by other places
	g.members = append(g.members, &one)
	for _, a := range m.AccessGroups {
		if !slices.Contains(g.access, a) {
			g.access = append(g.access, a)
		}
	}
	return !had
}

// finish works out what picks in g need.
func (t *Table) finish(g *group) {
	strategy, own := t.set.Groups[cmp.Or(g.pattern, g.name)]
	if !own {
		strategy = t.set.Strategy
	}
	g.strategy, g.called = strategies[strategy], string(strategy)
	g.args = &t.set.Args
	if a, ok := t.set.GroupArgs[cmp.Or(g.pattern, g.name)]; ok {
		g.args = &a
	}
	g.tpm = t.set.EnforceLimits || strategy.limits()
	g.rpm = g.tpm || t.set.PreCallChecks
	var can, cannot gateway.Capability
	for i, m := range g.members {
		m.at, m.alone = i, len(g.members) == 1
		f := &m.facts
		can |= f.Can & f.Known
		can |= ^f.Known // not known to lack it
		cannot |= f.Known &^ f.Can
		g.caches = g.caches || f.Caches
		g.tagging = g.tagging || t.set.TagFiltering || m.TagFiltering != nil && *m.TagFiltering
	}
	g.lacking = can & cannot
	g.caches = g.caches && len(g.members) > 1
	g.levels = levels(g.members, g.strategy)
}

// AccessGroups returns the access groups the model belongs to.
func (t *Table) AccessGroups(model string) []string {
	name := t.Group(model)
	g := t.groups[name]
	if g == nil && len(t.wildcards.all) > 0 {
		g = t.global(name)
	}
	if g == nil {
		return nil
	}
	return g.access
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

// Deployments returns all deployments in the order of the configuration.
func (t *Table) Deployments() []*gateway.Deployment {
	out := make([]*gateway.Deployment, 0, len(t.all))
	for _, m := range t.all {
		out = append(out, m.Deployment)
	}
	return out
}

// FallbackKind says for which failures fallbacks are.
type FallbackKind uint8

// The kinds of fallbacks there are.
const (
	GeneralFallbacks FallbackKind = iota
	WindowFallbacks               // of prompts that are too long (context_window_fallbacks)
	PolicyFallbacks               // of what a provider will not answer (content_policy_fallbacks)
)

// Fallbacks returns the configured fallbacks of the group.
func (t *Table) Fallbacks(kind FallbackKind, name string) []string {
	switch kind {
	case WindowFallbacks:
		return lookup(t.set.ContextWindow, name)
	case PolicyFallbacks:
		return lookup(t.set.ContentPolicy, name)
	}
	return t.fallbacks(t.set.Fallbacks, name)
}
