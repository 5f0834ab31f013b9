package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

var _ spend.Store = (*DB)(nil)

// Book implements spend.Store. Ids longer than 512 bytes and text that no
// database can keep are booked in a form that it can, never refused: a row
// that cannot be booked would stop every row behind it.
func (db *DB) Book(ctx context.Context, rows []spend.Row) (int, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	rows = slices.Clone(rows)
	for i := range rows {
		if rows[i].CallID == "" {
			return 0, errors.New("book calls: a row has no call id")
		}
		rows[i] = fitRow(rows[i])
	}
	// In one order everywhere: two bookers that insert the same rows in
	// different orders would wait for each other. The sort is stable, so of
	// two rows with one id the first is booked.
	slices.SortStableFunc(rows, func(a, b spend.Row) int { return cmp.Compare(a.CallID, b.CallID) })
	rows = slices.CompactFunc(rows, func(a, b spend.Row) bool { return a.CallID == b.CallID })

	args := make([][]any, len(rows))
	for i := range rows {
		a, err := callArgs(&rows[i])
		if err != nil {
			return 0, fmt.Errorf("book call %s: %w", rows[i].CallID, err)
		}
		args[i] = a
	}

	booked := 0
	err := db.write(ctx, func(tx *sql.Tx) error {
		added, err := db.insertCalls(ctx, tx, args)
		if err != nil {
			return err
		}
		booked = len(added)
		var s sums
		for i := range rows {
			if added[rows[i].CallID] {
				s.add(&rows[i])
			}
		}
		return db.addSums(ctx, tx, &s)
	})
	if err != nil {
		return 0, fmt.Errorf("book %d calls: %w", len(rows), err)
	}
	return booked, nil
}

// insertCalls writes rows and returns the ids of those that were not there yet.
func (db *DB) insertCalls(ctx context.Context, tx *sql.Tx, args [][]any) (map[string]bool, error) {
	added := make(map[string]bool, len(args))
	err := db.bulk.each(ctx, tx, callsHead, ` ON CONFLICT (call_id) DO NOTHING RETURNING call_id`, make([]string, len(callColumns)), args, func(r *sql.Rows) error {
		var id string
		if err := r.Scan(&id); err != nil {
			return err
		}
		added[id] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("insert: %w", err)
	}
	return added, nil
}

// An owner keeps its spend in columns of its own row.
type owner struct {
	scope, table, id string
	active           bool // has a last_active column
}

var owners = []owner{{Key, "keys", "hash", true}, {User, "users", "id", false}, {Team, "teams", "id", false}}

// addSums adds s to everyone it is charged to. Rows are taken in one order
// everywhere (keys, users, teams, totals, daily, each by id), so that two
// bookers never wait for each other.
func (db *DB) addSums(ctx context.Context, tx *sql.Tx, s *sums) error {
	for _, o := range owners {
		if err := db.addToOwners(ctx, tx, o, s.of(o.scope)); err != nil {
			return fmt.Errorf("add to %s: %w", o.table, err)
		}
	}
	if err := db.addToTotals(ctx, tx, s.others()); err != nil {
		return fmt.Errorf("add to totals: %w", err)
	}
	if err := db.addToDaily(ctx, tx, s.days()); err != nil {
		return fmt.Errorf("add to daily: %w", err)
	}
	return nil
}

// windowed is the SET clause by which one amount in window win enters a stored
// total. A window that is over when its row arrives adds to the total only; a
// window that is new starts from nothing.
func windowed(old, add string) string {
	return `
	spend_window = CASE WHEN ` + old + `.window_start > ` + add + `.window_start THEN ` + old + `.spend_window
		WHEN ` + old + `.window_start = ` + add + `.window_start THEN ` + old + `.spend_window + ` + add + `.spend_window
		ELSE ` + add + `.spend_window END,
	window_start = CASE WHEN ` + old + `.window_start > ` + add + `.window_start THEN ` + old + `.window_start ELSE ` + add + `.window_start END,
	spend_total = ` + old + `.spend_total + ` + add + `.spend_total`
}

// addToOwners updates rows that exist; an owner deleted meanwhile is no error.
func (db *DB) addToOwners(ctx context.Context, tx *sql.Tx, o owner, list []sum) error {
	if len(list) == 0 {
		return nil
	}
	if db.d.forUpdate != "" {
		// UPDATE … FROM locks rows in the order of the engine's plan.
		for chunk := range slices.Chunk(list, 500) {
			var w where
			ids := make([]string, len(chunk))
			for i, s := range chunk {
				ids[i] = s.id
			}
			w.in(o.id, ids)
			if _, err := tx.ExecContext(ctx, "SELECT "+o.id+" FROM "+o.table+w.sql()+" ORDER BY "+o.id+db.d.forUpdate, w.args...); err != nil { //nolint:gosec // G202: the text is ours, values are parameters
				return err
			}
		}
	}
	set := windowed(o.table, "v")
	if o.active {
		set += `, last_active = CASE WHEN ` + o.table + `.last_active > v.last_active THEN ` + o.table + `.last_active ELSE v.last_active END`
	}
	args := make([][]any, len(list))
	for i, s := range list {
		args[i] = []any{s.id, int64(s.window), s.start, int64(s.total), s.active}
	}
	return db.bulk.each(ctx, tx,
		"WITH sums (id, spend_window, window_start, spend_total, last_active) AS (",
		") UPDATE "+o.table+" SET "+set+" FROM sums AS v WHERE "+o.table+"."+o.id+" = v.id",
		[]string{"TEXT", "BIGINT", "BIGINT", "BIGINT", "BIGINT"}, args, nil)
}

func (db *DB) addToTotals(ctx context.Context, tx *sql.Tx, list []sum) error {
	args := make([][]any, len(list))
	for i, s := range list {
		args[i] = []any{s.scope, s.id, int64(s.window), s.start, int64(s.total)}
	}
	return db.bulk.each(ctx, tx,
		`INSERT INTO totals (scope, id, spend_window, window_start, spend_total)`,
		` ON CONFLICT (scope, id) DO UPDATE SET `+windowed("totals", "excluded"),
		make([]string, 5), args, nil)
}

// Total returns what is booked on one id of a scope that has no rows of its
// own (global, organization, end_user, tag); nothing booked is a zero Spend.
func (db *DB) Total(ctx context.Context, scope, id string) (gateway.Spend, error) {
	var s gateway.Spend
	var start int64
	err := db.r.QueryRowContext(ctx, `SELECT spend_window, window_start, spend_total FROM totals WHERE scope = $1 AND id = $2`, scope, fitID(id)).
		Scan(&s.Window, &start, &s.Total)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return gateway.Spend{}, fmt.Errorf("read the total of %s %q: %w", scope, shown(id), err)
	}
	s.WindowStart = instant(start)
	return s, nil
}

// Totals returns what is booked on every id of such a scope.
func (db *DB) Totals(ctx context.Context, scope string) (map[string]gateway.Spend, error) {
	rows, err := db.r.QueryContext(ctx, `SELECT id, spend_window, window_start, spend_total FROM totals WHERE scope = $1`, scope)
	if err != nil {
		return nil, fmt.Errorf("read the totals of %s: %w", scope, err)
	}
	defer rows.Close()
	out := make(map[string]gateway.Spend)
	for rows.Next() {
		var id string
		var s gateway.Spend
		var start int64
		if err := rows.Scan(&id, &s.Window, &start, &s.Total); err != nil {
			return nil, fmt.Errorf("read the totals of %s: %w", scope, err)
		}
		s.WindowStart = instant(start)
		out[id] = s
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the totals of %s: %w", scope, err)
	}
	return out, nil
}
