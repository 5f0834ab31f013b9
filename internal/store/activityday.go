package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// While replicas are replaced, the release before may still book calls, and does
// not know of table activity. The daily sums tell on which days that was.

// lookAgain is how soon a day that can still get calls is compared again.
const lookAgain = time.Minute

// detail has the activity of the days from from to to be all of their calls. It
// returns the days for which it cannot be, because their calls are gone.
func (db *DB) detail(ctx context.Context, from, to time.Time) (bare []string, err error) {
	f := DayFilter{From: from, To: to}
	w, err := f.where()
	if err != nil {
		return nil, err
	}
	days, err := texts(ctx, db.r, "SELECT DISTINCT day FROM daily"+w.sql()+" ORDER BY day", w.args...)
	if err != nil {
		return nil, fmt.Errorf("look which days had calls: %w", err)
	}
	today := dayNumber(micros(time.Now()))
	for chunk := range slices.Chunk(days, 400) {
		var ask []string
		numbers := map[string]int64{}
		for _, name := range chunk {
			t, err := time.Parse(time.DateOnly, name)
			if err != nil {
				continue // of a broken clock: a year of five digits
			}
			if n := dayNumber(t.UnixMicro()); !db.detailed.has(n) {
				numbers[name] = n
				ask = append(ask, name)
			}
		}
		if len(ask) == 0 {
			continue
		}
		differ, err := db.differing(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, name := range ask {
			n := numbers[name]
			if slices.Contains(differ, name) {
				whole, err := db.detailDay(ctx, n)
				if err != nil {
					return nil, err
				}
				if !whole {
					bare = append(bare, name)
					continue
				}
			}
			if n < today-1 {
				db.detailed.add(n, time.Time{})
			} else {
				db.detailed.add(n, time.Now().Add(lookAgain))
			}
		}
	}
	return bare, nil
}

// differing returns those of the days whose activity is not their daily sum.
func (db *DB) differing(ctx context.Context, days []string) ([]string, error) {
	var w where
	w.in("day", days)
	in := w.parts[0]
	out, err := texts(ctx, db.r, `SELECT d.day FROM (SELECT day, SUM(requests) AS requests, SUM(cost) AS cost FROM daily WHERE scope = 'global' AND id = '' AND `+in+` GROUP BY day) AS d
		LEFT JOIN (SELECT day, SUM(requests) AS requests, SUM(cost) AS cost FROM activity WHERE scope = '' AND id = '' AND `+in+` GROUP BY day) AS a ON a.day = d.day
		WHERE a.day IS NULL OR a.requests <> d.requests OR a.cost <> d.cost`, w.args...)
	if err != nil {
		return nil, fmt.Errorf("compare activity with the daily sums: %w", err)
	}
	return out, nil
}

// detailDay sums up the activity of a day again, from its calls, and reports
// whether it has them.
func (db *DB) detailDay(ctx context.Context, number int64) (whole bool, err error) {
	from, to := number*microsPerDay, (number+1)*microsPerDay
	err = db.write(ctx, func(tx *sql.Tx) error {
		whole = false
		// No call of the day may be booked meanwhile.
		if err := db.alone(ctx, tx); err != nil {
			return err
		}
		if gone, err := texts(ctx, tx, `SELECT day FROM dropped_days WHERE day = $1`, dayName(number)); err != nil || len(gone) > 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM activity WHERE day = $1`, dayName(number)); err != nil {
			return err
		}
		for _, of := range []struct{ scope, id, calls string }{
			{"", "''", "calls AS c"},
			{EndUser, "c.end_user", "calls AS c"},
			{Tag, "c.tag", db.d.byTag},
		} {
			for _, query := range [...]string{sumCalls, sumAdjustments} {
				query = strings.NewReplacer("{id}", of.id, "{calls}", of.calls).Replace(query)
				if _, err := tx.ExecContext(ctx, query, of.scope, dayName(number), from, to); err != nil {
					return err
				}
			}
		}
		whole = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("sum up the activity of %s: %w", dayName(number), err)
	}
	return whole, nil
}

// Both of these sum up the calls of a day by context, as booking does.
const (
	sumCalls = `INSERT INTO activity (` + activityColumns + `)
		SELECT CAST($1 AS TEXT), {id}, CAST($2 AS TEXT), c.context, COUNT(*), CAST(SUM(c.prompt) AS BIGINT), CAST(SUM(c.completion) AS BIGINT),
			CAST(SUM(COALESCE(c.cache_read, 0)) AS BIGINT), CAST(SUM(COALESCE(c.cache_write, 0) + COALESCE(c.cache_write_1h, 0)) AS BIGINT),
			CAST(SUM(c.cost) AS BIGINT), CAST(SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN c.took ELSE 0 END) AS BIGINT),
			CAST(SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN 1 ELSE 0 END) AS BIGINT)
		FROM {calls} WHERE c.started_at >= $3 AND c.started_at < $4 AND ($1 = '' OR {id} <> '')
		GROUP BY 2, 4`
	sumAdjustments = `INSERT INTO activity (` + activityColumns + `)
		SELECT CAST($1 AS TEXT), {id}, CAST($2 AS TEXT), c.context, 0, 0, 0, 0, 0, CAST(SUM(a.cost) AS BIGINT), 0, 0
		FROM adjustments AS a JOIN {calls} ON c.started_at = a.started_at AND c.call_id = a.call_id
		WHERE a.started_at >= $3 AND a.started_at < $4 AND ($1 = '' OR {id} <> '')
		GROUP BY 2, 4` + activityMerge
)

// addBare adds to facts what the daily sums know of days without activity.
func (db *DB) addBare(ctx context.Context, facts []Fact, f FactFilter, by []Facet, o FactOrder, bare []string) ([]Fact, error) {
	if f.Keys != nil || f.UserID != "" || f.Group != "" || f.Failed || f.Seen.UserID != "" || len(f.Seen.TeamIDs) > 0 {
		return facts, nil
	}
	rows, err := db.spendByDay(ctx, "daily", DayFilter{Scope: f.Scope, IDs: f.IDs, From: f.Day0, To: f.Day1})
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(d DaySpend) bool { return !slices.Contains(bare, d.Day) })
	return addDays(facts, f, by, o, rows), nil
}

// addImported adds to facts what came with an import beside calls. It is known by
// day, owner, model and provider, as days without activity are, and by a key or a
// user where only theirs is asked for.
func (db *DB) addImported(ctx context.Context, facts []Fact, f FactFilter, by []Facet, o FactOrder) ([]Fact, error) {
	days := DayFilter{Scope: f.Scope, IDs: f.IDs, From: f.Day0, To: f.Day1}
	whole := f.Scope == "" || f.Scope == Global
	switch {
	case f.Group != "", f.Failed, f.Seen.UserID != "", len(f.Seen.TeamIDs) > 0, f.Keys != nil && f.UserID != "", (f.Keys != nil || f.UserID != "") && !whole:
		return facts, nil
	case f.Keys != nil:
		days.Scope, days.IDs = Key, f.Keys
	case f.UserID != "":
		days.Scope, days.IDs = User, []string{f.UserID}
	}
	rows, err := db.spendByDay(ctx, "imported_days", days)
	if err != nil || len(rows) == 0 {
		return facts, err
	}
	if whole {
		for i := range rows {
			rows[i].ID = "" // the owner of all
		}
	}
	return addDays(facts, f, by, o, rows), nil
}

// addDays adds daily sums to facts.
func addDays(facts []Fact, f FactFilter, by []Facet, o FactOrder, rows []DaySpend) []Fact {
	at := make(map[[facets]string]int, len(facts))
	for i := range facts {
		at[facts[i].names] = i
	}
	for i := range rows {
		d := &rows[i]
		if f.Model != "" && d.Model != f.Model || slices.Contains(f.Exclude, d.ID) {
			continue
		}
		var names [facets]string
		for _, facet := range by {
			switch facet {
			case OfDay:
				names[facet] = d.Day
			case OfEntity:
				names[facet] = d.ID
			case OfModel:
				names[facet] = d.Model
			case OfProvider:
				names[facet] = d.Provider
			default:
				names[facet] = Rest
			}
			if only, ok := o.Only[facet]; ok && !slices.Contains(only, names[facet]) {
				names[facet] = Rest
			}
		}
		n, ok := at[names]
		if !ok {
			n = len(facts)
			at[names] = n
			facts = append(facts, Fact{names: names})
		}
		facts[n].Counters.add(&d.Counters)
	}
	slices.SortStableFunc(facts, func(x, y Fact) int {
		if o.Dearest && x.Cost != y.Cost {
			return cmp.Compare(y.Cost, x.Cost)
		}
		for _, facet := range by {
			if c := strings.Compare(x.names[facet], y.names[facet]); c != 0 {
				return c
			}
		}
		return 0
	})
	return facts
}
