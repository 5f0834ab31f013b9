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
	Member       = "team_member" // by gateway.MemberID
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

func (c *Counters) add(r *spend.Row) {
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

type dayKey struct{ scope, id, day, model, provider string }

// sums adds up a batch in memory, so that a busy key costs one update a batch.
type sums struct {
	totals map[sumKey]*sum
	daily  map[dayKey]*Counters
}

func (s *sums) add(r *spend.Row) {
	if s.totals == nil {
		s.totals = make(map[sumKey]*sum)
		s.daily = make(map[dayKey]*Counters)
	}
	s.charge(Global, "", r, r.GlobalWindow)
	s.charge(Key, r.KeyHash, r, r.KeyWindow)
	s.charge(User, r.UserID, r, r.UserWindow)
	s.charge(Team, r.TeamID, r, r.TeamWindow)
	s.charge(Organization, r.OrgID, r, time.Time{})
	s.charge(EndUser, r.EndUser, r, time.Time{})
	for i, tag := range r.Tags {
		if !slices.Contains(r.Tags[:i], tag) {
			s.charge(Tag, tag, r, time.Time{})
		}
	}
}

func (s *sums) charge(scope, id string, r *spend.Row, window time.Time) {
	if id == "" && scope != Global {
		return
	}
	t := s.totals[sumKey{scope, id}]
	if t == nil {
		t = &sum{scope: scope, id: id, start: micros(window)}
		s.totals[sumKey{scope, id}] = t
	}
	// The same rule as in SQL (see windowed), so that a batch adds up to what
	// its rows would one by one.
	switch w := micros(window); {
	case w > t.start:
		t.start, t.window = w, r.Cost
	case w == t.start:
		t.window += r.Cost
	}
	t.total += r.Cost
	t.active = max(t.active, micros(r.End))

	k := dayKey{scope, id, day(r.Start), cmp.Or(r.Model, r.Group), r.Provider}
	c := s.daily[k]
	if c == nil {
		c = new(Counters)
		s.daily[k] = c
	}
	c.add(r)
}

// day is the calendar day of t in UTC, as it is stored.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// of returns the sums of one scope, by id.
func (s *sums) of(scope string) []sum {
	return s.sorted(func(k sumKey) bool { return k.scope == scope })
}

// others returns the sums that are kept in table totals, by scope and id.
func (s *sums) others() []sum {
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
