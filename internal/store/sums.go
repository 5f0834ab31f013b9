package store

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// The scopes that spend is summed by. Keys, users and teams carry their total
// on their own row; all scopes have daily sums.
const (
	Global       = "global"
	Key          = "key"
	User         = "user"
	Team         = "team"
	Organization = "organization"
	Member       = "team_member"         // by gateway.MemberID
	OrgMember    = "organization_member" // by gateway.MemberID
	Project      = "project"
	AccessGroup  = "access_group"
	EndUser      = "end_user"
	Tag          = "tag"
)

// sum is what a batch adds to one total.
type sum struct {
	scope, id string
	start     int64           // the newest budget window in the batch
	window    gateway.NanoUSD // of the rows in that window
	total     gateway.NanoUSD // of all rows
	active    int64           // newest end of a call
}

type sumKey struct{ scope, id string }

// Counters are the sums of a day.
type Counters struct {
	Requests   int64
	Failures   int64
	Prompt     int64 // tokens, as in gateway.Usage
	Completion int64
	CacheRead  int64
	CacheWrite int64
	Cost       gateway.NanoUSD
}

// Count adds a call.
func (c *Counters) Count(r *spend.Row) {
	c.Requests++
	if r.Failed {
		c.Failures++
	}
	c.Prompt += r.Usage.Prompt
	c.Completion += r.Usage.Completion
	c.CacheRead += r.Usage.CacheRead
	c.CacheWrite += r.Usage.CacheWrite + r.Usage.CacheWrite1h
	c.Cost += r.Cost
}

func (c *Counters) add(o *Counters) {
	c.Requests += o.Requests
	c.Failures += o.Failures
	c.Prompt += o.Prompt
	c.Completion += o.Completion
	c.CacheRead += o.CacheRead
	c.CacheWrite += o.CacheWrite
	c.Cost += o.Cost
}

type dayKey struct{ scope, id, day, model, provider string }

// alike is what calls have in common that are charged to the same totals.
type alike struct {
	c                       *knownContext
	day                     int64 // number of the day, from 1970
	key, user, team, global int64 // starts of the budget windows
}

// portion is the sum of calls that are alike.
type portion struct {
	Counters
	timing
	active int64
}

// count adds a call.
func (p *portion) count(r *spend.Row) {
	p.Count(r)
	p.timing.count(r)
	p.active = max(p.active, micros(r.End))
}

// sums adds up a batch in memory, so that a busy key costs one update a batch.
// Calls that are alike are added up first: most are.
type sums struct {
	alike    map[alike]*portion
	totals   map[sumKey]*sum
	daily    map[dayKey]*Counters
	activity map[factKey]*portion
	windows  map[windowKey]*windowSum
}

type windowKey struct{ scope, id, duration string }

// windowSum is what a batch adds to one window of a budget.
type windowSum struct {
	windowKey
	start int64
	spend gateway.NanoUSD
}

const microsPerDay = 24 * 60 * 60 * 1_000_000

// dayNumber returns the day of a time in microseconds, counted from 1970.
func dayNumber(us int64) int64 {
	n := us / microsPerDay
	if us%microsPerDay < 0 {
		n--
	}
	return n
}

func (s *sums) init() {
	if s.alike == nil {
		s.alike = make(map[alike]*portion)
		s.totals = make(map[sumKey]*sum)
		s.daily = make(map[dayKey]*Counters)
		s.activity = make(map[factKey]*portion)
		s.windows = make(map[windowKey]*windowSum)
	}
}

func (s *sums) add(c *call) {
	s.init()
	r := c.row
	k := alike{c.c, dayNumber(c.start), micros(r.KeyWindow), micros(r.UserWindow), micros(r.TeamWindow), micros(r.GlobalWindow)}
	p := s.alike[k]
	if p == nil {
		p = new(portion)
		s.alike[k] = p
	}
	p.count(r)

	// What differs from call to call.
	if r.EndUser != "" || len(r.Tags) > 0 {
		var one portion
		one.count(r)
		s.charge(EndUser, fitID(r.EndUser), k, 0, &one)
		s.fact(EndUser, fitID(r.EndUser), k, &one)
		for i, tag := range r.Tags {
			if !slices.Contains(r.Tags[:i], tag) {
				s.charge(Tag, fitID(tag), k, 0, &one)
				s.fact(Tag, fitID(tag), k, &one)
			}
		}
	}
	for i := range r.Windows {
		s.window(&r.Windows[i], r.Cost)
	}
}

// spread charges what was alike to everybody it is charged to.
func (s *sums) spread() {
	for k, p := range s.alike {
		s.fact("", "", k, p)
		s.charge(Global, "", k, k.global, p)
		s.charge(Key, k.c.key, k, k.key, p)
		s.charge(User, k.c.user, k, k.user, p)
		s.charge(Team, k.c.team, k, k.team, p)
		s.charge(Organization, k.c.org, k, 0, p)
		s.charge(Project, k.c.project, k, 0, p)
		for i, group := range k.c.through {
			if !slices.Contains(k.c.through[:i], group) {
				s.charge(AccessGroup, group, k, 0, p)
			}
		}
		if k.c.team != "" && k.c.user != "" {
			s.charge(Member, fitID(gateway.MemberID(k.c.team, k.c.user)), k, 0, p)
		}
		if k.c.org != "" && k.c.user != "" {
			s.charge(OrgMember, fitID(gateway.MemberID(k.c.org, k.c.user)), k, 0, p)
		}
	}
	clear(s.alike)
}

func (s *sums) charge(scope, id string, k alike, window int64, p *portion) {
	if id == "" && scope != Global {
		return
	}
	t := s.totals[sumKey{scope, id}]
	if t == nil {
		t = &sum{scope: scope, id: id, start: window}
		s.totals[sumKey{scope, id}] = t
	}
	// The same rule as in SQL (see windowed), so that a batch adds up to what
	// its rows would one by one.
	switch {
	case window > t.start:
		t.start, t.window = window, p.Cost
	case window == t.start:
		t.window += p.Cost
	}
	t.total += p.Cost
	t.active = max(t.active, p.active)

	d := dayKey{scope, id, time.UnixMicro(k.day * microsPerDay).UTC().Format(time.DateOnly), cmp.Or(k.c.model, k.c.group), k.c.provider}
	c := s.daily[d]
	if c == nil {
		c = new(Counters)
		s.daily[d] = c
	}
	c.add(&p.Counters)
}

func (s *sums) window(w *spend.Window, cost gateway.NanoUSD) {
	k := windowKey{fitID(w.Scope), fitID(w.ID), fitText(w.Duration, maxText)}
	sum := s.windows[k]
	if sum == nil {
		sum = &windowSum{windowKey: k, start: micros(w.Start)}
		s.windows[k] = sum
	}
	switch start := micros(w.Start); {
	case start > sum.start:
		sum.start, sum.spend = start, cost
	case start == sum.start:
		sum.spend += cost
	}
}

// windowed returns what the batch adds to budget windows, in the order of their keys.
func (s *sums) windowed() []windowSum {
	out := make([]windowSum, 0, len(s.windows))
	for _, w := range s.windows {
		out = append(out, *w)
	}
	slices.SortFunc(out, compareWindows)
	return out
}

func compareWindows(a, b windowSum) int {
	return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.id, b.id), cmp.Compare(a.duration, b.duration))
}

// day is the calendar day of t in UTC, as it is stored.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// of returns the sums of one scope, by id.
func (s *sums) of(scope string) []sum {
	s.spread()
	return s.sorted(func(k sumKey) bool { return k.scope == scope })
}

// others returns the sums that are kept in table totals, by scope and id.
func (s *sums) others() []sum {
	s.spread()
	return s.sorted(func(k sumKey) bool { return k.scope != Key && k.scope != User && k.scope != Team })
}

func (s *sums) sorted(want func(sumKey) bool) []sum {
	var out []sum
	for k, t := range s.totals {
		if want(k) {
			out = append(out, *t)
		}
	}
	slices.SortFunc(out, func(a, b sum) int { return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.id, b.id)) })
	return out
}

// days returns the daily sums in the order of their keys.
func (s *sums) days() []dayRow {
	s.spread()
	keys := slices.SortedFunc(maps.Keys(s.daily), func(a, b dayKey) int {
		return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.id, b.id), cmp.Compare(a.day, b.day),
			cmp.Compare(a.model, b.model), cmp.Compare(a.provider, b.provider))
	})
	out := make([]dayRow, len(keys))
	for i, k := range keys {
		out[i] = dayRow{k, *s.daily[k]}
	}
	return out
}

type dayRow struct {
	dayKey
	Counters
}
