package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"penstock/internal/gateway"
)

// lockTotal holds one row of table totals until the end of tx, making it if
// nothing was booked yet: what is read from now on is what will be replaced.
func lockTotal(ctx context.Context, db *DB, tx *sql.Tx, scope, id string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO totals (scope, id, spend_window, window_start, spend_total) VALUES ($1, $2, 0, 0, 0)
		ON CONFLICT (scope, id) DO NOTHING`, scope, fitID(id))
	if err == nil && db.d.forUpdate != "" {
		_, err = tx.ExecContext(ctx, `SELECT 1 FROM totals WHERE scope = $1 AND id = $2`+db.d.forUpdate, scope, fitID(id)) //nolint:gosec // G202: the text is ours
	}
	if err != nil {
		return fmt.Errorf("hold the total of %s %q: %w", scope, shown(id), err)
	}
	return nil
}

// setTotal writes what id has spent.
func (db *DB) setTotal(ctx context.Context, tx *sql.Tx, scope, id string, s gateway.Spend) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO totals (scope, id, spend_window, window_start, spend_total) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (scope, id) DO UPDATE SET spend_window = excluded.spend_window, window_start = excluded.window_start, spend_total = excluded.spend_total`,
		scope, fitID(id), int64(s.Window), micros(s.WindowStart), int64(s.Total))
	if err != nil {
		return fmt.Errorf("write the total of %s %q: %w", scope, shown(id), err)
	}
	return db.reconcile(ctx, tx, scope, id)
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
		rows, err := q.QueryContext(ctx, "SELECT id, spend_window, window_start, spend_total FROM totals"+w.sql(), w.args...)
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

// AllTotals calls yield with every id of a scope that has spent something, in
// no order. An error of yield ends it and is returned.
func (db *DB) AllTotals(ctx context.Context, scope string, yield func(id string, s *gateway.Spend) error) error {
	rows, err := db.r.QueryContext(ctx, `SELECT id, spend_window, window_start, spend_total FROM totals WHERE scope = $1`, scope)
	if err == nil {
		err = results(rows, nil, func(r *sql.Rows) error {
			var id string
			var s gateway.Spend
			var start int64
			if err := r.Scan(&id, &s.Window, &start, &s.Total); err != nil {
				return err
			}
			s.WindowStart = instant(start)
			return yield(id, &s)
		})
	}
	if err != nil {
		return fmt.Errorf("read the totals of %s: %w", scope, err)
	}
	return nil
}

// SetTotal writes what is booked on one id of a scope that keeps its spend
// beside its rows, a member's by gateway.MemberID. kind and changed say whose
// entry in the change feed tells others.
func (db *DB) SetTotal(ctx context.Context, scope, id string, s gateway.Spend, kind, changed string) error {
	return db.change(ctx, func(tx *sql.Tx, f *feed) error {
		f.note(kind, changed)
		if err := lockTotal(ctx, db, tx, scope, id); err != nil {
			return err
		}
		return db.setTotal(ctx, tx, scope, id, s)
	})
}

// ledgerLock parts bookings, which share it, from writes that make an owner or
// give it another id, on PostgreSQL: a booking that did not yet see the owner
// must be in the daily sums before the owner's total is compared with them.
const ledgerLock = 0x6c6564676572

// alone waits for bookings to end and keeps new ones out until tx ends.
func (db *DB) alone(ctx context.Context, tx *sql.Tx) error {
	if db.d.forUpdate == "" {
		return nil // SQLite has one writer
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(ledgerLock))
	return err
}

// totalSQL selects the total of the id $1 in the scope.
func totalSQL(scope string) string {
	for _, o := range owners {
		if o.scope == scope {
			return "SELECT spend_total FROM " + o.table + " WHERE " + o.id + " = $1"
		}
	}
	return "SELECT spend_total FROM totals WHERE scope = '" + scope + "' AND id = $1"
}

// reconcile notes how much of a total was set by a manager and not booked, so
// that the ledger can always be proven: a total is the sum of its days and of
// its corrections. tx has just changed the total.
func (db *DB) reconcile(ctx context.Context, tx *sql.Tx, scope, id string) error {
	id = fitID(id)
	var total, booked, corrected int64
	err := tx.QueryRowContext(ctx, totalSQL(scope), id).Scan(&total)
	if err == nil {
		err = tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(cost), 0) AS BIGINT) FROM daily WHERE scope = $1 AND id = $2`, scope, id).Scan(&booked)
	}
	if err == nil {
		err = tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM corrections WHERE scope = $1 AND id = $2`, scope, id).Scan(&corrected)
	}
	if amount := total - booked - corrected; err == nil && amount != 0 {
		_, err = tx.ExecContext(ctx, `INSERT INTO corrections (scope, id, made_at, amount) VALUES ($1, $2, $3, $4)`, scope, id, micros(time.Now()), amount)
	}
	if err != nil {
		return fmt.Errorf("note a correction of %s %q: %w", scope, shown(id), err)
	}
	return nil
}
