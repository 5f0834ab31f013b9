package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"
)

// addToDaily adds sums to their days. Day comes after id in the key: reports
// ask for one id over many days.
func (db *DB) addToDaily(ctx context.Context, t *txn, list []dayRow) error {
	args := make([][]any, len(list))
	for i, d := range list {
		args[i] = []any{
			d.scope, d.id, d.day, d.model, d.provider,
			d.Requests, d.Failures, d.Prompt, d.Completion, d.CacheRead, d.CacheWrite, int64(d.Cost),
		}
	}
	return db.each(ctx, t,
		`INSERT INTO daily (scope, id, day, model, provider, requests, failures, prompt, completion, cache_read, cache_write, cost)`,
		` ON CONFLICT (scope, id, day, model, provider) DO UPDATE SET
			requests = daily.requests + excluded.requests,
			failures = daily.failures + excluded.failures,
			prompt = daily.prompt + excluded.prompt,
			completion = daily.completion + excluded.completion,
			cache_read = daily.cache_read + excluded.cache_read,
			cache_write = daily.cache_write + excluded.cache_write,
			cost = daily.cost + excluded.cost`,
		make([]string, 12), args)
}

const dayColumns = "day, id, model, provider, requests, failures, prompt, completion, cache_read, cache_write, cost"

// reported is what reports read in the place of table daily: with the days that
// another gateway had before us. Both parts are narrowed by w.
func reported(w *where) string {
	return "(SELECT " + dayColumns + " FROM daily" + w.sql() + " UNION ALL SELECT " + dayColumns + " FROM imported_days" + w.sql() + ") AS days"
}

// DayFilter selects daily sums.
type DayFilter struct {
	Scope    string   // "" is Global
	ID       string   // "" is every id of the scope
	IDs      []string // nil is every id of the scope
	From, To time.Time
}

// DaySpend is what one id used of one model on one day. Days are UTC and by the
// start of the call. Model is the vendor's, or the group's name where no vendor
// was reached.
type DaySpend struct {
	Day      string // "2006-01-02"
	ID       string
	Model    string
	Provider string
	Counters
}

// where is the condition on tables daily and imported_days.
func (f *DayFilter) where() (where, error) {
	scope := f.Scope
	if scope == "" {
		scope = Global
	}
	var w where
	w.is("scope", scope)
	if f.ID != "" {
		w.is("id", fitID(f.ID))
	}
	if f.IDs != nil {
		ids := make([]string, len(f.IDs))
		for i, id := range f.IDs {
			ids[i] = fitID(id)
		}
		w.in("id", ids)
	}
	if !f.From.IsZero() {
		w.parts = append(w.parts, "day >= "+w.arg(day(f.From)))
	}
	if !f.To.IsZero() {
		w.parts = append(w.parts, "day <= "+w.arg(day(f.To)))
	}
	return w, w.bad
}

// SpendByDay returns daily sums of the days from From to To, both included
// (zero: without bound), by day, id, model and provider. What came with an import
// beside calls stands in a row of its own.
func (db *DB) SpendByDay(ctx context.Context, f DayFilter) ([]DaySpend, error) {
	return db.spendByDay(ctx, "", f)
}

// spendByDay is SpendByDay for one of the two tables; "" is both.
func (db *DB) spendByDay(ctx context.Context, table string, f DayFilter) ([]DaySpend, error) {
	w, err := f.where()
	if err != nil {
		return nil, err
	}
	from := table + w.sql()
	if table == "" {
		from = reported(&w)
	}
	//nolint:gosec // G202: the text is ours, values are parameters
	rows, err := db.r.QueryContext(ctx, "SELECT "+dayColumns+" FROM "+from+" ORDER BY day, id, model, provider", w.args...)
	if err != nil {
		return nil, fmt.Errorf("read daily spend: %w", err)
	}
	defer rows.Close()
	var out []DaySpend
	for rows.Next() {
		var d DaySpend
		if err := rows.Scan(&d.Day, &d.ID, &d.Model, &d.Provider, &d.Requests, &d.Failures, &d.Prompt, &d.Completion, &d.CacheRead, &d.CacheWrite, &d.Cost); err != nil {
			return nil, fmt.Errorf("read daily spend: %w", err)
		}
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read daily spend: %w", err)
	}
	return out, nil
}

// Grouping is what daily sums are added up by.
type Grouping string

// The groupings there are.
const (
	ByID       Grouping = "id"
	ByModel    Grouping = "model"
	ByProvider Grouping = "provider"
	ByDay      Grouping = "day"
)

// Sum is what daily sums of one name add up to.
type Sum struct {
	Name        string // id, model, provider or day
	First, Last string // days
	Counters
}

// SpendBy adds up the daily sums that f selects by g, the dearest first, or days
// in order. It returns at most limit, all if that is 0.
func (db *DB) SpendBy(ctx context.Context, g Grouping, f DayFilter, limit int) ([]Sum, error) {
	w, err := f.where()
	if err != nil {
		return nil, err
	}
	column, order := string(g), "SUM(cost) DESC, "+string(g)
	switch g {
	case ByID, ByModel, ByProvider:
	case ByDay:
		order = "day"
	default:
		return nil, fmt.Errorf("daily sums have no %q", column)
	}
	total := func(c string) string { return "CAST(SUM(" + c + ") AS BIGINT)" }
	query := "SELECT " + column + ", MIN(day), MAX(day), " + total("requests") + ", " + total("failures") + ", " + total("prompt") + ", " + total("completion") + ", " + //nolint:gosec // G202: names of columns, ours
		total("cache_read") + ", " + total("cache_write") + ", " + total("cost") + " FROM " + reported(&w) + " GROUP BY " + column + " ORDER BY " + order
	if limit > 0 {
		query += " LIMIT " + strconv.Itoa(limit)
	}
	rows, err := db.r.QueryContext(ctx, query, w.args...)
	var out []Sum
	err = results(rows, err, func(r *sql.Rows) error {
		var s Sum
		if err := r.Scan(&s.Name, &s.First, &s.Last, &s.Requests, &s.Failures, &s.Prompt, &s.Completion, &s.CacheRead, &s.CacheWrite, &s.Cost); err != nil {
			return err
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("add up daily spend: %w", err)
	}
	return out, nil
}
