package store

import (
	"context"
	"fmt"
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

// DayFilter selects daily sums.
type DayFilter struct {
	Scope    string // "" is Global
	ID       string // "" is every id of the scope
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

// SpendByDay returns daily sums of the days from From to To, both included
// (zero: without bound), by day, id, model and provider.
func (db *DB) SpendByDay(ctx context.Context, f DayFilter) ([]DaySpend, error) {
	scope := f.Scope
	if scope == "" {
		scope = Global
	}
	var w where
	w.is("scope", scope)
	if f.ID != "" {
		w.is("id", fitID(f.ID))
	}
	if !f.From.IsZero() {
		w.parts = append(w.parts, "day >= "+w.arg(day(f.From)))
	}
	if !f.To.IsZero() {
		w.parts = append(w.parts, "day <= "+w.arg(day(f.To)))
	}
	if w.bad != nil {
		return nil, w.bad
	}
	//nolint:gosec // G202: the text is ours, values are parameters
	rows, err := db.r.QueryContext(ctx, `SELECT day, id, model, provider, requests, failures, prompt, completion, cache_read, cache_write, cost
		FROM daily`+w.sql()+` ORDER BY day, id, model, provider`, w.args...)
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
