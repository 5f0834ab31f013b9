package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// maxCalls is how many rows /spend/logs shows.
const maxCalls = 10_000

// daySummary is what was spent on a day. By is by the user or model.
type daySummary struct {
	StartTime string         `json:"startTime"`
	Spend     usd            `json:"spend"`
	Users     map[string]usd `json:"users"`
	Models    map[string]usd `json:"models"`
}

// span is a range of time that a report is about; zeros are without bound.
type span struct{ from, to time.Time } // from <= t < to

// dates reads start_date and end_date. A date alone means the whole day.
func (q *query) dates() span {
	from, _ := q.moment("start_date")
	to, day := q.moment("end_date")
	if day {
		to = to.AddDate(0, 0, 1)
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) && q.err == nil {
		q.err = invalid("end_date", "end_date must not be before start_date")
	}
	return span{from, to}
}

// moment reads a time in UTC, and whether it is a day.
func (q *query) moment(name string) (t time.Time, day bool) {
	v := q.text(name)
	if v == "" {
		return time.Time{}, false
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), layout == time.DateOnly
		}
	}
	if q.err == nil {
		q.err = invalid(name, "Invalid date format for %s: '%s'. Use YYYY-MM-DD or YYYY-MM-DD HH:MM:SS.", name, v)
	}
	return time.Time{}, false
}

// spendLogs answers rows, or sums by day if a range of days is asked for.
func (a *API) spendLogs(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	f := store.CallFilter{RequestID: q.text("request_id"), UserID: q.text("user_id"), Limit: maxCalls}
	if key := q.text("api_key"); key != "" {
		f.KeyHash = keyHash(key)
	}
	summarize, dates := q.flag("summarize", true), q.dates()
	if q.err != nil {
		return nil, q.err
	}
	if err := a.ownCalls(&f, p); err != nil {
		return nil, err
	}
	ctx := r.Context()
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	if summarize && dates != (span{}) && f.RequestID == "" {
		return a.daily(ctx, f, dates)
	}
	f.From, f.To = dates.from, dates.to
	rows, err := a.store.Calls(ctx, f)
	if err != nil {
		return nil, err
	}
	return a.callRows(ctx, rows)
}

// daily sums the spend by day. It reads the daily sums, not the calls: a month
// of calls may be millions.
func (a *API) daily(ctx context.Context, f store.CallFilter, s span) (any, error) {
	last := s.to
	if !last.IsZero() {
		last = last.Add(-1) // the days of a sum are inclusive
	}
	days := store.DayFilter{Scope: store.Global, From: s.from, To: last}
	users := store.DayFilter{Scope: store.User, From: s.from, To: last}
	owner := ""
	switch {
	case f.KeyHash != "":
		days.Scope, days.ID = store.Key, f.KeyHash
		k, err := a.store.Key(ctx, f.KeyHash)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if k != nil {
			owner = k.UserID
		}
		if f.UserID != "" && f.UserID != owner {
			return []daySummary{}, nil
		}
	case f.UserID != "":
		days.Scope, days.ID, owner = store.User, f.UserID, f.UserID
	}
	sums, err := a.store.SpendByDay(ctx, days)
	if err != nil {
		return nil, err
	}
	byDay := map[string]*daySummary{}
	out := []*daySummary{}
	for _, d := range sums {
		sum := byDay[d.Day]
		if sum == nil {
			sum = &daySummary{StartTime: d.Day, Users: map[string]usd{}, Models: map[string]usd{}}
			byDay[d.Day] = sum
			out = append(out, sum)
		}
		sum.Spend += usd(d.Cost)
		sum.Models[d.Model] += usd(d.Cost)
		if owner != "" {
			sum.Users[owner] += usd(d.Cost)
		}
	}
	if days.Scope == store.Global {
		byUser, err := a.store.SpendByDay(ctx, users)
		if err != nil {
			return nil, err
		}
		for _, d := range byUser {
			if sum := byDay[d.Day]; sum != nil {
				sum.Users[d.ID] += usd(d.Cost)
			}
		}
	}
	return out, nil
}

func (a *API) spendKeys(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	f := store.KeyFilter{}
	if v := a.directory.View(p); !v.All {
		if v.UserID == "" {
			return []keyRow{}, nil
		}
		f.UserID = v.UserID
	}
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	keys, err := a.keysOf(r.Context(), w, f, store.Page{Sort: "spend", Desc: true})
	if err != nil {
		return nil, err
	}
	rows := a.keyRows(keys)
	// What is shown may be fresher than what the store sorted by.
	slices.SortStableFunc(rows, func(x, y keyRow) int { return cmp.Compare(y.Spend, x.Spend) })
	return rows, nil
}

type globalSpend struct {
	Spend     usd `json:"spend"`
	MaxBudget usd `json:"max_budget"` // 0 for none
}

func (a *API) globalSpend(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	s, err := a.store.Total(r.Context(), store.Global, "")
	if err != nil {
		return nil, err
	}
	out := &globalSpend{Spend: usd(s.Total)}
	if b := a.o.Settings().Budget; b != nil {
		out.MaxBudget = usd(*b)
	}
	return out, nil
}
