package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"penstock/internal/gateway"
	"penstock/internal/limit"
)

// Spent returns what is booked in each budget window, in the order of accounts,
// and limit.Unkept where the books keep no such sum.
func (db *DB) Spent(ctx context.Context, accounts []limit.Account) ([]int64, error) {
	out := make([]int64, len(accounts))
	// One query for each table and scope, however many accounts.
	totals, windows := map[string]map[string][]int{}, map[string]map[string][]int{}
	put := func(to map[string]map[string][]int, scope, id string, i int) {
		if to[scope] == nil {
			to[scope] = map[string][]int{}
		}
		to[scope][id] = append(to[scope][id], i)
	}
	for i, a := range accounts {
		switch own := a.Model == "" && !a.Further; {
		case a.Start.IsZero() && (a.Model != "" || !summed(a.Scope)):
			out[i] = limit.Unkept
		case a.Start.IsZero(), own && onOwnRow(a.Scope):
			id := a.ID
			if a.Set.Kind == limit.MemberScope || a.Set.Kind == limit.OrganizationMemberScope {
				id = gateway.MemberID(a.Set.Of, a.Set.ID)
			}
			put(totals, a.Scope, fitID(id), i)
		default:
			put(windows, fitID(a.Scope), fitID(a.ID), i)
		}
	}
	for _, scope := range slices.Sorted(maps.Keys(totals)) {
		at := totals[scope]
		table, id, fixed := "totals", "id", scope
		for _, o := range owners {
			if o.scope == scope {
				table, id, fixed = o.table, o.id, ""
			}
		}
		err := db.sumsOf(ctx, fixed, id, at, "SELECT "+id+", spend_window, window_start, spend_total, '' FROM "+table, func(i int, window, start, total int64, _ string) {
			switch a := &accounts[i]; {
			case a.Start.IsZero():
				out[i] = total
			case start == micros(a.Start):
				out[i] = window
			}
		})
		if err != nil {
			return nil, fmt.Errorf("read what is spent of %s budgets: %w", scope, err)
		}
	}
	for _, scope := range slices.Sorted(maps.Keys(windows)) {
		err := db.sumsOf(ctx, scope, "id", windows[scope], "SELECT id, spend, window_start, 0, duration FROM windows", func(i int, spend, start, _ int64, duration string) {
			if a := &accounts[i]; duration == a.Window && start == micros(a.Start) {
				out[i] = spend
			}
		})
		if err != nil {
			return nil, fmt.Errorf("read what is spent of %s budgets: %w", scope, err)
		}
	}
	return out, nil
}

// summed reports whether the books keep what a scope has ever spent.
func summed(scope string) bool {
	switch scope {
	case Global, Key, User, Team, Organization, Member, OrgMember, Project, AccessGroup, EndUser, Tag:
		return true
	}
	return false
}

// onOwnRow reports whether a scope's own budget window is kept where an
// administrator corrects it.
func onOwnRow(scope string) bool {
	return scope == Global || scope == Key || scope == User || scope == Team
}

func (db *DB) sumsOf(ctx context.Context, scope, column string, at map[string][]int, query string, f func(i int, window, start, total int64, duration string)) error {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(at)), fillAtOnce) {
		var w where
		if scope != "" {
			w.is("scope", scope)
		}
		w.in(column, ids)
		if w.bad != nil {
			return w.bad
		}
		rows, err := db.r.QueryContext(ctx, query+w.sql(), w.args...)
		if err != nil {
			return err
		}
		err = results(rows, nil, func(r *sql.Rows) error {
			var id, duration string
			var window, start, total int64
			if err := r.Scan(&id, &window, &start, &total, &duration); err != nil {
				return err
			}
			for _, i := range at[id] {
				f(i, window, start, total, duration)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
