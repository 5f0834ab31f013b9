package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// Activity is summed up by context and day: one row for all calls that have
// everything in common but what they used. The sums of a key, a user, a team, a
// model or an endpoint are found by what contexts say, so that one row does for
// all of them. Customers and tags stand in no context and have rows of their own.

// factKey is what a row of table activity is about.
type factKey struct {
	scope, id string // EndUser or Tag; both empty for every call
	day       int64
	context   int64
}

// maxTook is from where on a call's duration is taken for a broken clock, in
// microseconds: eleven days.
const maxTook = 1_000_000_000_000

// timing is how long calls took, those of which that is known.
type timing struct {
	took  int64 // microseconds, in all
	timed int64
}

func (t *timing) count(r *spend.Row) {
	if r.End.IsZero() {
		return
	}
	if took := micros(r.End) - micros(r.Start); took >= 0 && took < maxTook {
		t.took += took
		t.timed++
	}
}

func (t *timing) add(o *timing) {
	t.took += o.took
	t.timed += o.timed
}

// fact adds a portion to the activity of k's context and day.
func (s *sums) fact(scope, id string, k alike, p *portion) {
	if id == "" && scope != "" {
		return
	}
	key := factKey{scope, id, k.day, k.c.id}
	f := s.activity[key]
	if f == nil {
		f = new(portion)
		s.activity[key] = f
	}
	f.Counters.add(&p.Counters)
	f.timing.add(&p.timing)
}

// addToActivity follows addToDaily.
func (db *DB) addToActivity(ctx context.Context, t *txn, s *sums) error {
	s.spread()
	keys := slices.SortedFunc(maps.Keys(s.activity), func(a, b factKey) int {
		return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.id, b.id), cmp.Compare(a.day, b.day), cmp.Compare(a.context, b.context))
	})
	args := make([][]any, len(keys))
	last, name := int64(0), ""
	for i, k := range keys {
		if name == "" || k.day != last {
			last, name = k.day, dayName(k.day)
		}
		p := s.activity[k]
		args[i] = []any{
			k.scope, k.id, name, k.context,
			p.Requests, p.Prompt, p.Completion, p.CacheRead, p.CacheWrite, int64(p.Cost), p.took, p.timed,
		}
	}
	return db.each(ctx, t, `INSERT INTO activity (`+activityColumns+`)`, activityMerge, make([]string, 12), args)
}

const (
	activityColumns = `scope, id, day, context, requests, prompt, completion, cache_read, cache_write, cost, took, timed`
	activityMerge   = ` ON CONFLICT (scope, id, day, context) DO UPDATE SET
			requests = activity.requests + excluded.requests,
			prompt = activity.prompt + excluded.prompt,
			completion = activity.completion + excluded.completion,
			cache_read = activity.cache_read + excluded.cache_read,
			cache_write = activity.cache_write + excluded.cache_write,
			cost = activity.cost + excluded.cost,
			took = activity.took + excluded.took,
			timed = activity.timed + excluded.timed`
)

// Facet is something that activity is told apart by.
type Facet uint8

// The facets there are.
const (
	OfDay      Facet = iota // UTC, "2006-01-02"
	OfEntity                // whoever the filter's scope is about
	OfKey                   // hash, "" for calls without a key
	OfUser                  // id
	OfTeam                  // id
	OfModel                 // the vendor's, or the group's name where no vendor was reached
	OfGroup                 // the model that clients named
	OfProvider              // "" where no vendor was reached
	OfRoute                 // path, such as /v1/chat/completions
	OfDeployment
	OfOperation
	OfKind // number of a failure's gateway.Kind, "" for calls that did not fail
	facets
)

// modelSQL is the model of a context.
const modelSQL = `CASE WHEN c.model <> '' THEN c.model ELSE c.model_group END`

// column is where a facet stands; scope is the filter's.
func (f Facet) column(scope string) string {
	switch f {
	case OfDay:
		return "a.day"
	case OfKey:
		return "c.key_hash"
	case OfUser:
		return "c.user_id"
	case OfTeam:
		return "c.team_id"
	case OfModel:
		return modelSQL
	case OfGroup:
		return "c.model_group"
	case OfProvider:
		return "c.provider"
	case OfRoute:
		return "c.route"
	case OfDeployment:
		return "c.deployment_id"
	case OfOperation:
		return "c.operation"
	case OfKind:
		return "CASE WHEN c.failed THEN CAST(c.kind AS TEXT) ELSE '' END"
	}
	switch scope {
	case Key:
		return "c.key_hash"
	case User:
		return "c.user_id"
	case Team:
		return "c.team_id"
	case Organization:
		return "c.org_id"
	case Project:
		return "c.project_id"
	case EndUser, Tag:
		return "a.id"
	}
	return "''"
}

// FactFilter selects activity.
type FactFilter struct {
	// Scope is Global ("" too), Key, User, Team, Organization, Project, EndUser or Tag.
	Scope   string
	IDs     []string // of that scope, nil for all
	Exclude []string
	Keys    []string // hashes, nil for all
	UserID  string   // "" for all
	Seen    Seen     // zero for all
	Model   string   // as OfModel
	Group   string   // as OfGroup
	Failed  bool     // only calls that failed
	// Days from Day0 to Day1, both included; zero is without bound.
	Day0, Day1 time.Time
}

// Seen are calls of a user, and those of teams.
type Seen struct {
	UserID  string
	TeamIDs []string
}

// Fact is activity of one value of every facet that was asked for.
type Fact struct {
	names [facets]string
	Counters
	Took  time.Duration // of the calls that are in Timed
	Timed int64
}

// Of returns the value of a facet, Rest if it is one of those that were added up.
func (f *Fact) Of(facet Facet) string { return f.names[facet] }

// Rest stands for values of a facet that are not told apart. No text in the
// database has a NUL.
const Rest = "\x00rest"

// FactOrder says which facts are returned.
type FactOrder struct {
	// Dearest has the dearest first, then by facets; otherwise they come by facets.
	Dearest bool
	// Limit and Offset choose a part of them; a Limit of 0 is all.
	Limit, Offset int
	// Only has values of a facet that are not listed added up as Rest.
	Only map[Facet][]string
}

// Facts adds up what f selects by facets. Days whose calls were dropped before
// activity was summed up are known by OfDay, OfEntity, OfModel and OfProvider
// only: their other facets are Rest, and no filter but Model finds them. They are
// left out where there is a limit.
func (db *DB) Facts(ctx context.Context, f FactFilter, by []Facet, o FactOrder) ([]Fact, error) {
	bare, err := db.detail(ctx, f.Day0, f.Day1)
	if err != nil {
		return nil, err
	}
	w, from := f.where(db.d)
	columns := make([]string, len(by))
	for i, facet := range by {
		columns[i] = facet.column(f.Scope)
		if only, ok := o.Only[facet]; ok {
			in := where{args: w.args}
			in.in(columns[i], only)
			w.args, w.bad = in.args, cmp.Or(w.bad, in.bad)
			columns[i] = "CASE WHEN " + in.parts[0] + " THEN " + columns[i] + " END"
		}
	}
	if w.bad != nil {
		return nil, w.bad
	}
	total := func(what string) string { return "CAST(SUM(" + what + ") AS BIGINT)" }
	//nolint:gosec // G202: the text is ours, values are parameters
	query := "SELECT " + strings.Join(append(slices.Clone(columns), total("a.requests"), total("CASE WHEN c.failed THEN a.requests ELSE 0 END"), total("a.prompt"),
		total("a.completion"), total("a.cache_read"), total("a.cache_write"), total("a.cost"), total("a.took"), total("a.timed")), ", ") + from + w.sql()
	var order []string
	for i := range columns {
		order = append(order, strconv.Itoa(i+1))
	}
	if len(order) > 0 {
		query += " GROUP BY " + strings.Join(order, ", ")
		if o.Dearest {
			order = append([]string{"SUM(a.cost) DESC"}, order...)
		}
		query += " ORDER BY " + strings.Join(order, ", ")
	}
	if o.Limit > 0 {
		query += " LIMIT " + strconv.Itoa(o.Limit) + " OFFSET " + strconv.Itoa(o.Offset)
	}
	rows, err := db.r.QueryContext(ctx, query, w.args...)
	var out []Fact
	err = results(rows, err, func(r *sql.Rows) error {
		var fact Fact
		names := make([]sql.Null[string], len(by))
		into := make([]any, 0, len(by)+9)
		for i := range names {
			into = append(into, &names[i])
		}
		var took, n sql.Null[int64] // no row at all adds up to NULL
		counts := [...]sql.Null[int64]{{}, {}, {}, {}, {}, {}, {}}
		for i := range counts {
			into = append(into, &counts[i])
		}
		if err := r.Scan(append(into, &took, &n)...); err != nil {
			return err
		}
		for i, facet := range by {
			fact.names[facet] = Rest
			if names[i].Valid {
				fact.names[facet] = names[i].V
			}
		}
		fact.Counters = Counters{counts[0].V, counts[1].V, counts[2].V, counts[3].V, counts[4].V, counts[5].V, gateway.NanoUSD(counts[6].V)}
		fact.Took, fact.Timed = time.Duration(took.V)*time.Microsecond, n.V
		out = append(out, fact)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("add up activity: %w", err)
	}
	if o.Limit > 0 {
		return out, nil
	}
	if len(bare) > 0 {
		if out, err = db.addBare(ctx, out, f, by, o, bare); err != nil {
			return nil, err
		}
	}
	return db.addImported(ctx, out, f, by, o)
}

// CountFacts returns how many values of a facet there are among what f selects.
func (db *DB) CountFacts(ctx context.Context, f FactFilter, of Facet) (int, error) {
	w, from := f.where(db.d)
	if w.bad != nil {
		return 0, w.bad
	}
	var n int
	if err := db.r.QueryRowContext(ctx, "SELECT COUNT(DISTINCT "+of.column(f.Scope)+")"+from+w.sql(), w.args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count activity: %w", err)
	}
	return n, nil
}

// where is the condition of f, and the tables that it is on: SQLite takes them in
// the order they stand in. Contexts come first if few of them are meant.
func (f *FactFilter) where(d dialect) (w where, from string) {
	w.parts = append(w.parts, "c.id = a.context")
	own, entity := "", OfEntity.column(f.Scope)
	few := len(f.Keys) > 0 || f.UserID != ""
	switch f.Scope {
	case EndUser, Tag:
		own, few = f.Scope, false
	case "", Global:
	default:
		few = few || len(f.IDs) > 0
	}
	switch {
	case few:
		// Of the two ways to these rows SQLite would take the primary key, which is
		// every row of those days anew for each context, unless it is hidden.
		w.parts = append(w.parts, "COALESCE(a.scope, '') = ''", "COALESCE(a.id, '') = ''")
	case own == "":
		w.parts = append(w.parts, "a.scope = ''", "a.id = ''")
	default:
		w.parts = append(w.parts, "a.scope = "+w.arg(own))
	}
	switch {
	case f.Scope == "" || f.Scope == Global:
	case f.IDs != nil:
		ids := make([]string, len(f.IDs))
		for i, id := range f.IDs {
			ids[i] = fitID(id)
		}
		w.in(entity, ids)
	default:
		w.parts = append(w.parts, entity+" <> ''")
	}
	for _, id := range f.Exclude {
		w.parts = append(w.parts, entity+" <> "+w.text("id", fitID(id)))
	}
	if f.Keys != nil {
		w.in("c.key_hash", f.Keys)
	}
	w.is("c.user_id", f.UserID)
	if f.Model != "" {
		w.parts = append(w.parts, modelSQL+" = "+w.text("model", fitID(f.Model)))
	}
	if f.Group != "" {
		w.parts = append(w.parts, "c.model_group = "+w.text("model_group", fitID(f.Group)))
	}
	if f.Failed {
		w.parts = append(w.parts, "c.failed")
	}
	if o := f.Seen; o.UserID != "" || len(o.TeamIDs) > 0 {
		w.either(func(w *where) {
			w.is("c.user_id", o.UserID)
			if len(o.TeamIDs) > 0 {
				w.in("c.team_id", o.TeamIDs)
			}
		})
	}
	if !f.Day0.IsZero() {
		w.parts = append(w.parts, "a.day >= "+w.arg(day(f.Day0)))
	}
	if !f.Day1.IsZero() {
		w.parts = append(w.parts, "a.day <= "+w.arg(day(f.Day1)))
	}
	if few {
		return w, " FROM contexts AS c CROSS JOIN activity AS a"
	}
	return w, " FROM activity AS a CROSS JOIN contexts AS c"
}
