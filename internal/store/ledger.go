package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// Ledger is a view of the books as they were when it was opened, whatever is
// booked meanwhile.
type Ledger struct {
	tx *sql.Tx
	d  dialect
}

// Entry is a call in the books.
type Entry struct {
	spend.Row
	Link    int64 // of the hash chain, 0 if none
	Context int64 // number of what it has in common with other calls
}

// Adjustment changes the cost of a booked call by an entry of its own: the
// call's row stays as it was.
type Adjustment struct {
	CallID string
	Start  time.Time
	N      int64  // counts the adjustments of a call from 1
	Rate   string // the terms by which the call now costs what it does
	Cost   gateway.NanoUSD
	MadeAt time.Time
	Link   int64 // of the hash chain, 0 if none
}

// Owner is somebody whose spend is summed up.
type Owner struct{ Scope, ID string }

// Ledger opens a view of the books for read.
func (db *DB) Ledger(ctx context.Context, read func(*Ledger) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if db.d.forUpdate != "" {
		o.Isolation = sql.LevelRepeatableRead
	} else {
		o = nil // SQLite's reader sees one state of the file anyway
	}
	tx, err := db.r.BeginTx(ctx, o)
	if err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	return read(&Ledger{tx, db.d})
}

func (l *Ledger) each(ctx context.Context, what, query string, args []any, yield func(*sql.Rows) error) error {
	rows, err := l.tx.QueryContext(ctx, query, args...)
	if err := results(rows, err, yield); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// Count returns how many calls began in the time from from to to (zero: without
// bound).
func (l *Ledger) Count(ctx context.Context, from, to time.Time) (n int64, err error) {
	s := all(&CallFilter{From: from, To: to})
	err = l.tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM calls WHERE started_at >= $1 AND started_at < $2`, s.from, s.to).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count calls: %w", err)
	}
	return n, nil
}

// Bounds returns the starts of the first and the last call in that time, zero if
// there is none.
func (l *Ledger) Bounds(ctx context.Context, from, to time.Time) (first, last time.Time, err error) {
	s := all(&CallFilter{From: from, To: to})
	var a, b int64
	err = l.tx.QueryRowContext(ctx, `SELECT COALESCE((SELECT MIN(started_at) FROM calls WHERE started_at >= $1 AND started_at < $2), 0),
		COALESCE((SELECT MAX(started_at) FROM calls WHERE started_at >= $1 AND started_at < $2), 0)`, s.from, s.to).Scan(&a, &b)
	if err != nil {
		return first, last, fmt.Errorf("look for the first and the last call: %w", err)
	}
	return instant(a), instant(b), nil
}

// Calls hands every call that began in that time to yield, the oldest first.
func (l *Ledger) Calls(ctx context.Context, from, to time.Time, yield func(*Entry) error) error {
	s := all(&CallFilter{From: from, To: to})
	query := strings.Replace(callSelect, " FROM ", ", COALESCE(calls.link, 0), calls.context FROM ", 1) + walkCalls +
		" WHERE contexts.id = calls.context AND calls.started_at >= $1 AND calls.started_at < $2 ORDER BY calls.started_at, calls.call_id"
	return l.each(ctx, "calls", query, []any{s.from, s.to}, func(rows *sql.Rows) error {
		var e Entry
		var err error
		if e.Row, err = scanCall(withMore{rows, []any{&e.Link, &e.Context}}); err != nil {
			return err
		}
		return yield(&e)
	})
}

// withMore is a row with more columns than scanCall asks for.
type withMore struct {
	row
	more []any
}

// Scan implements row.
func (w withMore) Scan(dest ...any) error { return w.row.Scan(append(dest, w.more...)...) }

// Adjustments hands every adjustment of calls that began in that time to yield,
// in the order of the calls.
func (l *Ledger) Adjustments(ctx context.Context, from, to time.Time, yield func(*Adjustment) error) error {
	s := all(&CallFilter{From: from, To: to})
	return l.each(ctx, "adjustments", `SELECT started_at, call_id, n, rate, cost, made_at, COALESCE(link, 0) FROM adjustments
		WHERE started_at >= $1 AND started_at < $2 ORDER BY started_at, call_id, n`, []any{s.from, s.to}, func(rows *sql.Rows) error {
		var a Adjustment
		var start, made int64
		var id []byte
		if err := rows.Scan(&start, &id, &a.N, &a.Rate, &a.Cost, &made, &a.Link); err != nil {
			return err
		}
		a.CallID, a.Start, a.MadeAt = shownID(id), instant(start), instant(made)
		return yield(&a)
	})
}

// Rates returns the text of every rate that a call or an adjustment names.
func (l *Ledger) Rates(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := l.each(ctx, "rates", `SELECT id, terms FROM rates`, nil, func(rows *sql.Rows) error {
		var id, terms string
		err := rows.Scan(&id, &terms)
		out[id] = terms
		return err
	})
	return out, err
}

// Totals hands the total of everybody who has one to yield.
func (l *Ledger) Totals(ctx context.Context, yield func(Owner, gateway.NanoUSD) error) error {
	queries := []string{`SELECT scope, id, spend_total FROM totals`}
	for _, o := range owners {
		queries = append(queries, "SELECT '"+o.scope+"', "+o.id+", spend_total FROM "+o.table)
	}
	return l.amounts(ctx, "totals", strings.Join(queries, " UNION ALL "), yield)
}

// Corrections hands what managers have changed of totals to yield.
func (l *Ledger) Corrections(ctx context.Context, yield func(Owner, gateway.NanoUSD) error) error {
	return l.amounts(ctx, "corrections", `SELECT scope, id, amount FROM corrections`, yield)
}

func (l *Ledger) amounts(ctx context.Context, what, query string, yield func(Owner, gateway.NanoUSD) error) error {
	return l.each(ctx, what, query, nil, func(rows *sql.Rows) error {
		var o Owner
		var n gateway.NanoUSD
		if err := rows.Scan(&o.Scope, &o.ID, &n); err != nil {
			return err
		}
		return yield(o, n)
	})
}

// Days hands the sums of every day and owner to yield.
func (l *Ledger) Days(ctx context.Context, yield func(o Owner, day string, c *Counters) error) error {
	const query = `SELECT scope, id, day, CAST(SUM(requests) AS BIGINT), CAST(SUM(failures) AS BIGINT), CAST(SUM(prompt) AS BIGINT),
		CAST(SUM(completion) AS BIGINT), CAST(SUM(cache_read) AS BIGINT), CAST(SUM(cache_write) AS BIGINT), CAST(SUM(cost) AS BIGINT)
		FROM daily GROUP BY scope, id, day ORDER BY scope, id, day`
	return l.each(ctx, "daily sums", query, nil, func(rows *sql.Rows) error {
		var o Owner
		var day string
		var c Counters
		if err := rows.Scan(&o.Scope, &o.ID, &day, &c.Requests, &c.Failures, &c.Prompt, &c.Completion, &c.CacheRead, &c.CacheWrite, &c.Cost); err != nil {
			return err
		}
		return yield(o, day, &c)
	})
}

// Part is what calls of one context used on a day: all of them, or those of one
// customer or with one tag.
type Part struct {
	Owner   // Scope and ID are empty for all of them
	Context int64
}

// Parts hands the activity of every day to yield. Failures are not told apart.
func (l *Ledger) Parts(ctx context.Context, yield func(p Part, day string, c *Counters) error) error {
	return l.each(ctx, "activity", `SELECT scope, id, context, day, requests, prompt, completion, cache_read, cache_write, cost FROM activity ORDER BY scope, id, day, context`, nil, func(rows *sql.Rows) error {
		var p Part
		var day string
		var c Counters
		if err := rows.Scan(&p.Scope, &p.ID, &p.Context, &day, &c.Requests, &c.Prompt, &c.Completion, &c.CacheRead, &c.CacheWrite, &c.Cost); err != nil {
			return err
		}
		return yield(p, day, &c)
	})
}

// DroppedDays returns the days whose calls are no longer kept, and of each the
// last link of the hash chain that it had.
func (l *Ledger) DroppedDays(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	err := l.each(ctx, "dropped days", `SELECT day, COALESCE(link, 0) FROM dropped_days`, nil, func(rows *sql.Rows) error {
		var day string
		var link int64
		err := rows.Scan(&day, &link)
		out[day] = link
		return err
	})
	return out, err
}

// Charge calls yield with everybody that the call is charged to, each once.
func Charge(r *spend.Row, yield func(Owner)) {
	yield(Owner{Global, ""})
	for _, o := range [...]Owner{{Key, r.KeyHash}, {User, r.UserID}, {Team, r.TeamID}, {Organization, r.OrgID}, {Project, r.ProjectID}, {EndUser, r.EndUser}} {
		if o.ID != "" {
			yield(Owner{o.Scope, fitID(o.ID)})
		}
	}
	if r.TeamID != "" && r.UserID != "" {
		yield(Owner{Member, fitID(gateway.MemberID(r.TeamID, r.UserID))})
	}
	if r.OrgID != "" && r.UserID != "" {
		yield(Owner{OrgMember, fitID(gateway.MemberID(r.OrgID, r.UserID))})
	}
	for _, list := range [...]struct {
		scope string
		ids   []string
	}{{AccessGroup, r.Through}, {Tag, r.Tags}} {
		seen := map[string]bool{}
		for _, id := range list.ids {
			if id = fitID(id); id != "" && !seen[id] {
				seen[id] = true
				yield(Owner{list.scope, id})
			}
		}
	}
}

// Day is the day that a call is summed up in: the UTC day of its start.
func Day(start time.Time) string { return day(start) }

// Adjust writes adjustments of the calls, which are booked, and moves the totals,
// windows and daily sums of everybody they are charged to, in one transaction.
// N and MadeAt are its own to set. One whose N is taken already, because another
// process adjusts the same calls, is left out with its cost. It returns how many
// it has written.
func (db *DB) Adjust(ctx context.Context, list []Adjusted) (int, error) {
	if len(list) == 0 {
		return 0, nil
	}
	written := 0
	now := micros(time.Now())
	err := db.writeOn(ctx, func(t *txn) error {
		written = 0
		if _, err := db.replacedKeys(ctx, t); err != nil { // for its lock
			return err
		}
		terms := make(map[string]string)
		for i := range list {
			terms[list[i].Rate] = list[i].Terms
		}
		var rates [][]any
		for _, id := range sortedKeys(terms) {
			rates = append(rates, []any{id, terms[id]})
		}
		if err := db.each(ctx, t, `INSERT INTO rates (id, terms)`, ` ON CONFLICT (id) DO NOTHING`, make([]string, 2), rates); err != nil {
			return err
		}
		link, err := db.nextLink(ctx, t)
		if err != nil {
			return err
		}
		var s sums
		known := standings{}
		var done []Adjustment
		for i := range list {
			a := &list[i]
			start := micros(a.Call.Start)
			res, err := t.tx.ExecContext(ctx, `INSERT INTO adjustments (started_at, call_id, n, rate, cost, made_at, link) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
				start, storedID(a.Call.CallID), a.N, a.Rate, int64(a.Cost), now, link.arg())
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				if err != nil {
					return err
				}
				continue
			}
			written++
			done = append(done, Adjustment{CallID: a.Call.CallID, Start: a.Call.Start, N: a.N, Rate: a.Rate, Cost: a.Cost, MadeAt: instant(now)})
			if err := db.adjustSums(ctx, t, &s, known, a); err != nil {
				return err
			}
		}
		if err := link.close(ctx, t, adjustmentHashes(done)); err != nil {
			return err
		}
		return db.addSums(ctx, t, &s)
	})
	if err != nil {
		return 0, fmt.Errorf("adjust %d calls: %w", len(list), err)
	}
	return written, nil
}

// Adjusted is a call and how its cost is to change.
type Adjusted struct {
	Call        *spend.Row
	N           int64           // one more than the call has adjustments
	Cost        gateway.NanoUSD // added to the call's
	Rate, Terms string          // by which the call now costs what it does
}

// standing is where an owner's budget windows are now.
type standing struct {
	window  int64 // start of the window beside its total
	windows []windowSum
}

// standings remembers them during one transaction.
type standings map[Owner]*standing

func (db *DB) standing(ctx context.Context, t *txn, known standings, o Owner) (*standing, error) {
	if s := known[o]; s != nil {
		return s, nil
	}
	s := new(standing)
	err := t.tx.QueryRowContext(ctx, strings.Replace(totalSQL(o.Scope), "spend_total", "window_start", 1), o.ID).Scan(&s.window)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	rows, err := t.tx.QueryContext(ctx, `SELECT duration, window_start FROM windows WHERE scope = $1 AND id = $2`, o.Scope, o.ID)
	err = results(rows, err, func(r *sql.Rows) error {
		w := windowSum{windowKey: windowKey{scope: o.Scope, id: o.ID}}
		err := r.Scan(&w.duration, &w.start)
		s.windows = append(s.windows, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	known[o] = s
	return s, nil
}

// adjustSums adds the adjustment to everybody's sums: to a budget's window if
// the call began in it.
func (db *DB) adjustSums(ctx context.Context, t *txn, s *sums, known standings, a *Adjusted) error {
	var p portion
	p.Cost = a.Cost
	start := micros(a.Call.Start)
	c := &knownContext{callContext: contextOf(a.Call).fitted()}
	err := t.tx.QueryRowContext(ctx, `SELECT context FROM calls WHERE started_at = $1 AND call_id = $2`, start, storedID(a.Call.CallID)).Scan(&c.id)
	if errors.Is(err, sql.ErrNoRows) {
		c.id, err = c.callContext.id(), nil // dropped meanwhile
	}
	if err != nil {
		return err
	}
	k := alike{c: c, day: dayNumber(start)}
	s.init()
	var failed error
	Charge(a.Call, func(o Owner) {
		st, err := db.standing(ctx, t, known, o)
		if err != nil {
			failed = errors.Join(failed, err)
			return
		}
		window := st.window
		if start < window {
			window = -1 // before the window, which takes nothing of it
		}
		s.charge(o.Scope, o.ID, k, window, &p)
		switch o.Scope {
		case Global:
			s.fact("", "", k, &p)
		case EndUser, Tag:
			s.fact(o.Scope, o.ID, k, &p)
		}
		for _, w := range st.windows {
			if start >= w.start {
				s.window(&spend.Window{Scope: w.scope, ID: w.id, Duration: w.duration, Start: instant(w.start)}, a.Cost)
			}
		}
	})
	return failed
}
