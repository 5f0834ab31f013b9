package limit

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
)

// Limit is one ceiling. It never changes.
type Limit struct {
	Kind   Kind
	Model  string // which models count, perhaps with *; "" is all of them
	Amount int64
	// Raise is added to Amount until RaiseUntil.
	Raise      int64
	RaiseUntil time.Time
	// Shadow has the limit counted and reported, but refuse nothing.
	Shadow bool

	// Of money only.
	Soft   int64 // told about once a window when it is reached; 0 is none
	Window Window
	// Further says that it is one of several budgets of its scope.
	Further bool
	// Booked is what the books held of Window when the limit was made: it
	// starts a counter that has not been seen since the process started. Kept is
	// what they keep beside the owner, of the window that was booked last.
	Booked, Kept gateway.Spend

	scope, id string // what the ledger calls the budget
	duration  string // Window.String, made once
	header    string // of a client that asks for this model alone
	at        int    // where its meter was last found; guarded by its cell
}

// booked returns what was spent in the window that starts then, as far as the
// books knew it: they may know it in either place, and neither is ever too high.
func (l *Limit) booked(start time.Time) int64 {
	n := gateway.NanoUSD(0)
	for _, s := range [...]*gateway.Spend{&l.Booked, &l.Kept} {
		switch {
		case s.WindowStart.Equal(start):
			n = max(n, s.Window)
		case start.IsZero():
			n = max(n, s.Total)
		}
	}
	return int64(n)
}

func (l *Limit) charge(start time.Time) Charge {
	return Charge{l.scope, l.id, l.duration, start, l.own()}
}

// alone reports whether nobody but the books of windows keeps what was spent of
// the limit in a lifetime: of one model, of a deployment, of a provider.
func (l *Limit) alone() bool {
	return l.Model != "" || l.scope == "deployment" || l.scope == "provider"
}

// own reports whether it is the scope's own budget.
func (l *Limit) own() bool { return l.Kind == Money && l.Model == "" && !l.Further }

// AmountAt returns the ceiling at a moment.
func (l *Limit) AmountAt(now time.Time) int64 {
	if l.Raise != 0 && now.Before(l.RaiseUntil) && l.Amount != Unlimited {
		return l.Amount + min(l.Raise, Unlimited-1-l.Amount)
	}
	return l.Amount
}

// Set is all limits of one scope. It is made once from what is stored and never
// changes; another version of what is stored makes another Set.
type Set struct {
	Scope  Scope
	Label  string    // names the scope in a budget error: the key's alias
	Name   string    // the key's name, for people
	Anchor time.Time // windows of several days count from here

	limits []Limit  // for every model, then by model
	every  int      // how many of them are for every model
	tagged bool     // some are for tags
	models []byName // exact names first, then patterns, the most exact first

	source *gateway.Limits      // what it was made from
	epoch  atomic.Uint32        // in which a call has used it
	cell   atomic.Pointer[cell] // where Memory counts it
	// sessions are the limits on each session of a key.
	sessions atomic.Pointer[sessions]
}

// tagMark is what the Model of a limit begins with that counts the calls with a
// tag instead of those of a model.
const tagMark = "#tag:"

// tag returns which tag's calls the limit counts; false if it is not one on a tag.
func (l *Limit) tag() (string, bool) { return strings.CutPrefix(l.Model, tagMark) }

// byName are the limits of one model: limits[from:to].
type byName struct {
	pattern  string
	star     bool
	from, to int
}

// Take is one limit that a call has to pass.
type Take struct {
	Set   *Set
	Limit *Limit
}

// NewSet returns a set of the limits, of which those for one model must stand
// together. Of two that count the same, the stricter holds.
func NewSet(s Scope, label string, anchor time.Time, limits ...Limit) *Set {
	set := &Set{Scope: s, Label: label, Anchor: anchor}
	for _, l := range limits {
		same := slices.IndexFunc(set.limits, func(o Limit) bool { return o.Kind == l.Kind && o.Model == l.Model && o.Window == l.Window })
		if same >= 0 {
			set.limits[same].Amount = min(set.limits[same].Amount, l.Amount)
			continue
		}
		set.limits = append(set.limits, l)
	}
	id := s.String()
	slices.SortStableFunc(set.limits, func(a, b Limit) int { return cmp.Compare(rank(a.Model), rank(b.Model)) })
	for i := range set.limits {
		l := &set.limits[i]
		l.duration, l.header = l.Window.String(), keyModelHeader(s.Kind, l)
		l.scope, l.id = Scopes[s.Kind].Books, id
		if l.Model != "" {
			l.scope, l.id = Scopes[s.Kind].Model, id+":"+l.Model
		}
		_, tag := l.tag()
		switch n := len(set.models); {
		case l.Model == "":
			set.every = i + 1
		case tag:
			set.tagged = true
		case n > 0 && set.models[n-1].pattern == l.Model:
			set.models[n-1].to = i + 1
		default:
			set.models = append(set.models, byName{l.Model, strings.Contains(l.Model, "*"), i, i + 1})
		}
	}
	return set
}

// rank sorts limits for every model before those of one, and those before
// patterns, of which the one with the most letters is the most exact.
func rank(pattern string) int {
	switch {
	case pattern == "":
		return -1
	case strings.HasPrefix(pattern, tagMark):
		return 1 << 30
	case strings.Contains(pattern, "*"):
		return 1<<20 - len(pattern)
	}
	return 0
}

// Takes appends the limits that hold for a call of the model.
func (s *Set) Takes(dst []Take, model string) []Take {
	for i := range s.every {
		dst = append(dst, Take{s, &s.limits[i]})
	}
	if m := s.find(model); m != nil {
		for i := m.from; i < m.to; i++ {
			dst = append(dst, Take{s, &s.limits[i]})
		}
	}
	return dst
}

// takeTags appends the limits on calls with one of the tags within the scope.
func (s *Set) takeTags(dst []Take, tags []string) []Take {
	if !s.tagged {
		return dst
	}
	for i := range s.limits { // in one order for every call
		if tag, ok := s.limits[i].tag(); ok && slices.Contains(tags, tag) {
			dst = append(dst, Take{s, &s.limits[i]})
		}
	}
	return dst
}

// find returns the entry for the model: of the name itself, else of the name
// without its provider, else of the most exact pattern for one of the two.
func (s *Set) find(model string) *byName {
	if len(s.models) == 0 || model == "" {
		return nil
	}
	bare := model[strings.LastIndexByte(model, '/')+1:]
	for _, name := range [...]string{model, bare} {
		for i := range s.models {
			if m := &s.models[i]; !m.star && m.pattern == name {
				return m
			}
		}
	}
	for i := range s.models {
		if m := &s.models[i]; m.star && (gateway.Match(m.pattern, model, nil) || gateway.Match(m.pattern, bare, nil)) {
			return m
		}
	}
	return nil
}

// compile makes the limits of a scope from what is stored. Money is counted
// even where it has no ceiling.
func compile(l *gateway.Limits, spent *gateway.Spend, booked func(model, duration string) gateway.Spend) []Limit {
	var out []Limit
	rates := func(model string, rpm, tpm, in, outTPM, parallel *int64) {
		for _, r := range [...]struct {
			kind   Kind
			amount *int64
		}{{Requests, rpm}, {Tokens, tpm}, {InputTokens, in}, {OutputTokens, outTPM}, {Parallel, parallel}} {
			if r.amount != nil {
				out = append(out, Limit{Kind: r.kind, Model: model, Amount: *r.amount, Shadow: l.Shadow})
			}
		}
	}
	money := func(model string, amount int64, duration string) *Limit {
		w := window(duration)
		out = append(out, Limit{Kind: Money, Model: model, Amount: amount, Window: w, Shadow: l.Shadow})
		return &out[len(out)-1]
	}

	rates("", l.RPM, l.TPM, l.InputTPM, l.OutputTPM, l.Parallel)
	amount := int64(Unlimited)
	if l.Budget != nil {
		amount = int64(*l.Budget)
	}
	m := money("", amount, l.BudgetDuration)
	m.Booked, m.Kept = booked("", m.Window.String()), *spent
	m.Raise, m.RaiseUntil = int64(l.Raise), l.RaiseUntil
	if l.SoftBudget != nil {
		m.Soft = int64(*l.SoftBudget)
	}
	for _, b := range l.Budgets {
		m := money("", int64(b.Amount), b.Duration)
		m.Further = true
		m.Booked = booked("", m.Window.String())
		m.Kept.Window = spent.Total // of a lifetime; other windows have a start
	}
	for _, tag := range slices.Sorted(maps.Keys(l.TagRPM)) {
		n := l.TagRPM[tag]
		rates(tagMark+tag, &n, nil, nil, nil, nil)
	}
	for _, model := range slices.Sorted(maps.Keys(l.Models)) {
		ml := l.Models[model]
		rates(model, ml.RPM, ml.TPM, ml.InputTPM, ml.OutputTPM, ml.Parallel)
		if ml.Budget != nil {
			m := money(model, int64(ml.Budget.Amount), ml.Budget.Duration)
			m.Booked = booked(model, m.Window.String())
		}
	}
	return out
}

// window returns the parsed budget window. A duration that cannot be parsed
// was refused when it was stored; should one turn up all the same, its budget
// counts for ever, which is the strict reading.
func window(duration string) Window {
	w, err := ParseWindow(duration)
	if err != nil {
		return Window{}
	}
	return w
}
