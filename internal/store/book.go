package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

var _ spend.Store = (*DB)(nil)

// Book implements spend.Store. Ids longer than 512 bytes and text that no
// database can keep are booked in a form that it can, never refused: a row
// that cannot be booked would stop every row behind it. Calls of days that
// DropBefore has taken are not booked: they may have been before, and who is
// charged twice has the greater harm.
func (db *DB) Book(ctx context.Context, rows []spend.Row) (int, error) {
	return db.book(ctx, rows, func(t *txn, s *sums) error { return db.addSums(ctx, t, s) })
}

// book writes rows, and has add add up what of them is new.
func (db *DB) book(ctx context.Context, rows []spend.Row, add func(*txn, *sums) error) (int, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	for i := range rows {
		if rows[i].CallID == "" {
			return 0, errors.New("book calls: a row has no call id")
		}
	}
	if err := db.ensureDays(ctx, rows); err != nil {
		return 0, fmt.Errorf("book %d calls: %w", len(rows), err)
	}
	booked := 0
	var unknown map[callContext]*knownContext
	err := db.writeOn(ctx, func(t *txn) error {
		replaced, err := db.replacedKeys(ctx, t)
		if err != nil {
			return err
		}
		if err := db.knowAgents(ctx, t, rows); err != nil {
			return err
		}
		var calls []call
		calls, unknown = db.calls(rows, replaced)
		if calls, err = db.keptDays(ctx, t, calls); err != nil {
			return err
		}
		if err := db.addContexts(ctx, t, unknown); err != nil {
			return fmt.Errorf("add contexts: %w", err)
		}
		link, err := db.nextLink(ctx, t)
		if err != nil {
			return err
		}
		added, err := db.insertCalls(ctx, t, calls, link)
		if err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		var s sums
		var hashes []ChainHash
		booked = 0
		for i := range calls {
			if !added[i] {
				continue
			}
			booked++
			s.add(&calls[i])
			if link != nil {
				kept := calls[i].kept()
				hashes = append(hashes, HashCall(&kept))
			}
		}
		if err := link.close(ctx, t, hashes); err != nil {
			return err
		}
		return add(t, &s)
	})
	if err != nil {
		db.contexts.forget()
		db.days.forget()
		return 0, fmt.Errorf("book %d calls: %w", len(rows), err)
	}
	db.contexts.add(unknown)
	return booked, nil
}

// replacedKeys returns the hashes of keys that were rotated, and of those that
// stand for them now. Nobody can rotate a key until t ends.
func (db *DB) replacedKeys(ctx context.Context, t *txn) (map[string]string, error) {
	if db.d.forUpdate != "" {
		if _, err := t.tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, int64(ledgerLock)); err != nil {
			return nil, err
		}
	}
	rows, err := t.tx.QueryContext(ctx, `SELECT hash, active FROM deprecated_keys`)
	var out map[string]string
	err = results(rows, err, func(r *sql.Rows) error {
		var old, active string
		if err := r.Scan(&old, &active); err != nil {
			return err
		}
		if out == nil {
			out = make(map[string]string)
		}
		out[old] = active
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read replaced keys: %w", err)
	}
	return out, nil
}

// keptDays returns calls without those of dropped days. Days that are younger
// than a day are never dropped.
func (db *DB) keptDays(ctx context.Context, t *txn, calls []call) ([]call, error) {
	first := dayNumber(calls[0].start)
	if first >= dayNumber(micros(time.Now())) {
		return calls, nil
	}
	dropped, err := db.droppedDays(ctx, t.tx, first)
	if err != nil || len(dropped) == 0 {
		return calls, err
	}
	return slices.DeleteFunc(calls, func(c call) bool { return dropped[dayNumber(c.start)] }), nil
}

// calls returns rows in the order of the table and each once, and the contexts
// that the database may not have yet. A call that began with a key that was
// replaced meanwhile is one of the key that stands for it.
func (db *DB) calls(rows []spend.Row, replaced map[string]string) ([]call, map[callContext]*knownContext) {
	calls := make([]call, len(rows))
	ids := make([]byte, 0, 16*len(rows))
	var unknown map[callContext]*knownContext
	for i := range rows {
		r := &rows[i]
		if active, ok := replaced[r.KeyHash]; ok {
			moved := *r
			moved.KeyHash, moved.Windows = active, movedWindows(r.Windows, r.KeyHash, active)
			r = &moved
		}
		c := &calls[i]
		c.start = micros(r.Start)
		if agent := db.agents.of(dayNumber(c.start), r.Agent); agent != r.Agent {
			other := *r
			other.Agent = agent
			r = &other
		}
		c.row = r
		if b, ok := uuid7(r.CallID); ok {
			ids = append(ids, b[:]...)
			c.id = ids[len(ids)-16:]
		} else {
			c.id = storedID(r.CallID)
		}
		k, known := db.contexts.of(r)
		if !known {
			key := contextOf(r)
			if u := unknown[key]; u != nil {
				k = u
			} else {
				if unknown == nil {
					unknown = make(map[callContext]*knownContext)
				}
				unknown[key] = k
			}
		}
		c.c = k
	}
	// In one order everywhere: two bookers that insert the same rows in
	// different orders would wait for each other. The sort is stable, so of
	// two rows with one id the first is booked.
	slices.SortStableFunc(calls, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.start, b.start), bytes.Compare(a.id, b.id))
	})
	calls = slices.CompactFunc(calls, func(a, b call) bool { return a.start == b.start && bytes.Equal(a.id, b.id) })
	return calls, unknown
}

// An owner keeps its spend in columns of its own row.
type owner struct {
	scope, table, id string
	active           bool // has a last_active column
}

var owners = []owner{{Key, "keys", "hash", true}, {User, "users", "id", false}, {Team, "teams", "id", false}}

// addSums adds s to everyone it is charged to. Rows are taken in one order
// everywhere (keys, users, teams, totals, windows, daily, activity, each by id), so that two
// bookers never wait for each other.
func (db *DB) addSums(ctx context.Context, t *txn, s *sums) error {
	for _, o := range owners {
		if err := db.addToOwners(ctx, t, o, s.of(o.scope)); err != nil {
			return fmt.Errorf("add to %s: %w", o.table, err)
		}
	}
	if err := db.addToTotals(ctx, t, s.others()); err != nil {
		return fmt.Errorf("add to totals: %w", err)
	}
	if err := db.addToWindows(ctx, t, s.windowed()); err != nil {
		return fmt.Errorf("add to windows: %w", err)
	}
	if err := db.addToDaily(ctx, t, s.days()); err != nil {
		return fmt.Errorf("add to daily: %w", err)
	}
	if err := db.addToActivity(ctx, t, s); err != nil {
		return fmt.Errorf("add to activity: %w", err)
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
func (db *DB) addToOwners(ctx context.Context, t *txn, o owner, list []sum) error {
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
			if _, err := t.tx.ExecContext(ctx, "SELECT "+o.id+" FROM "+o.table+w.sql()+" ORDER BY "+o.id+db.d.forUpdate, w.args...); err != nil { //nolint:gosec // G202: the text is ours, values are parameters
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
	return db.each(ctx, t,
		"WITH sums (id, spend_window, window_start, spend_total, last_active) AS (",
		") UPDATE "+o.table+" SET "+set+" FROM sums AS v WHERE "+o.table+"."+o.id+" = v.id",
		[]string{"TEXT", "BIGINT", "BIGINT", "BIGINT", "BIGINT"}, args)
}

func (db *DB) addToTotals(ctx context.Context, t *txn, list []sum) error {
	args := make([][]any, len(list))
	for i, s := range list {
		args[i] = []any{s.scope, s.id, int64(s.window), s.start, int64(s.total)}
	}
	return db.each(ctx, t,
		`INSERT INTO totals (scope, id, spend_window, window_start, spend_total)`,
		` ON CONFLICT (scope, id) DO UPDATE SET `+windowed("totals", "excluded"),
		make([]string, 5), args)
}

// addToWindows follows the rule of windowed.
func (db *DB) addToWindows(ctx context.Context, t *txn, list []windowSum) error {
	args := make([][]any, len(list))
	for i, w := range list {
		args[i] = []any{w.scope, w.id, w.duration, w.start, int64(w.spend)}
	}
	return db.each(ctx, t,
		`INSERT INTO windows (scope, id, duration, window_start, spend)`,
		` ON CONFLICT (scope, id, duration) DO UPDATE SET`+windowRule,
		make([]string, 5), args)
}

// Windows hands what is booked in each window of spend.Row.Windows to yield,
// which may stop it with an error.
func (db *DB) Windows(ctx context.Context, yield func(w spend.Window, spent gateway.NanoUSD) error) error {
	return db.eachWindow(ctx, yield, ` ORDER BY scope, id, duration`)
}

func (db *DB) eachWindow(ctx context.Context, yield func(w spend.Window, spent gateway.NanoUSD) error, which string, args ...any) error {
	rows, err := db.r.QueryContext(ctx, `SELECT scope, id, duration, window_start, spend FROM windows`+which, args...) //nolint:gosec // G202: the text is ours, values are parameters
	if err != nil {
		return fmt.Errorf("read budget windows: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var w spend.Window
		var start int64
		var spent gateway.NanoUSD
		if err := rows.Scan(&w.Scope, &w.ID, &w.Duration, &start, &spent); err != nil {
			return fmt.Errorf("read budget windows: %w", err)
		}
		w.Start = instant(start)
		if err := yield(w, spent); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read budget windows: %w", err)
	}
	return nil
}

// Total returns what is booked on one id of a scope that has no rows of its
// own (global, organization, project, end_user, tag); nothing booked is a zero Spend.
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
