package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"penstock/internal/gateway"
)

// lockTotal holds one row of table totals until the end of tx, making it if
// nothing was booked yet: what is read from now on is what will be replaced.
func lockTotal(ctx context.Context, db *DB, tx *sql.Tx, scope, id string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO totals (scope, id, spend_window, window_start, spend_total) VALUES ($1, $2, 0, 0, 0)
		ON CONFLICT (scope, id) DO NOTHING`, scope, fitID(id))
	if err == nil && db.d.forUpdate != "" {
		_, err = tx.ExecContext(ctx, `SELECT 1 FROM totals WHERE scope = $1 AND id = $2`+db.d.forUpdate, scope, fitID(id))
	}
	if err != nil {
		return fmt.Errorf("hold the total of %s %q: %w", scope, shown(id), err)
	}
	return nil
}

// setTotal writes what id has spent.
func setTotal(ctx context.Context, tx *sql.Tx, scope, id string, s gateway.Spend) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO totals (scope, id, spend_window, window_start, spend_total) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (scope, id) DO UPDATE SET spend_window = excluded.spend_window, window_start = excluded.window_start, spend_total = excluded.spend_total`,
		scope, fitID(id), int64(s.Window), micros(s.WindowStart), int64(s.Total))
	if err != nil {
		return fmt.Errorf("write the total of %s %q: %w", scope, shown(id), err)
	}
	return nil
}

// totalsOf reads the totals of the ids in at into the places it has for them.
// Ids are as fitID makes them.
func totalsOf(ctx context.Context, q querier, scope string, at map[string]*gateway.Spend) error {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(at)), fillAtOnce) {
		var w where
		w.is("scope", scope)
		w.in("id", ids)
		if w.bad != nil {
			return w.bad
		}
		rows, err := q.QueryContext(ctx, "SELECT id, spend_window, window_start, spend_total FROM totals"+w.sql(), w.args...) //nolint:gosec // G202: the text is ours, values are parameters
		if err != nil {
			return err
		}
		err = results(rows, nil, func(r *sql.Rows) error {
			var id string
			var s gateway.Spend
			var start int64
			if err := r.Scan(&id, &s.Window, &start, &s.Total); err != nil {
				return err
			}
			s.WindowStart = instant(start)
			*at[id] = s
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// SetTotal writes what is booked on one id of a scope that keeps its spend
// beside its rows, a member's by gateway.MemberID. kind and changed say whose
// entry in the change feed tells others.
func (db *DB) SetTotal(ctx context.Context, scope, id string, s gateway.Spend, kind, changed string) error {
	return db.change(ctx, func(tx *sql.Tx, f *feed) error {
		f.note(kind, changed)
		return setTotal(ctx, tx, scope, id, s)
	})
}
