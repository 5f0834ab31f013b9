package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"penstock/internal/spend"
)

// CallOrder says which part of a list of calls is shown, and in which order.
type CallOrder struct {
	By   string // "startTime", which "" is too, "endTime", "spend" or "total_tokens"
	Asc  bool   // instead of the newest, or most, first
	Skip int    // so many are left out
	// Count is up to how many calls are counted.
	Count int
}

// CallPage is a part of a list of calls.
type CallPage struct {
	Rows  []spend.Row
	Total int  // calls in the list, at least
	More  bool // there are more than Total
}

// callOrders are what calls can be sorted by other than their start.
var callOrders = map[string]string{ //nolint:gosec // G101: these tokens are no secrets
	"endTime":      "calls.started_at + COALESCE(calls.took, 0)",
	"spend":        "calls.cost",
	"total_tokens": "calls.prompt + calls.completion",
}

// PageCalls returns f.Limit of the calls that f selects, and counts them. With
// f.Before, which goes with the default order only, the page behind it is found at
// a cost that does not grow with the pages before; its calls are not fewer in
// Total for it.
func (db *DB) PageCalls(ctx context.Context, f CallFilter, o CallOrder) (*CallPage, error) {
	out := &CallPage{}
	limit := Page{Limit: f.Limit}.limit()
	if f.RequestID != "" {
		f.Limit = 10_000
		rows, err := db.Calls(ctx, f)
		if err != nil {
			return nil, err
		}
		out.Total = len(rows)
		out.Rows = rows[min(o.Skip, len(rows)):min(o.Skip+limit, len(rows))]
		return out, nil
	}
	before := f.Before
	f.Before = Cursor{}
	w, spans, err := db.spansOf(ctx, &f)
	if err != nil {
		return nil, err
	}
	// SQLite is told which way to go: it counts by contexts, and finds by them calls
	// that are few. Many are met soon on a walk.
	counted := walkCalls
	switch {
	case f.CallID != "" || !f.ofContexts():
	case db.d.daily:
		counted, spans = contextCalls, []span{all(&f)}
	default:
		if err := db.fewContexts(ctx, &f, &w); err != nil {
			return nil, err
		}
	}
	order := " ORDER BY calls.started_at DESC, calls.call_id DESC"
	if by := callOrders[o.By]; by != "" {
		// Of calls in any order the database has to see all: in one go.
		if len(spans) > 1 {
			spans = []span{{spans[len(spans)-1].from, spans[0].to}}
		}
		order = " ORDER BY " + by + " DESC, calls.started_at DESC, calls.call_id DESC"
		if o.Asc {
			order = " ORDER BY " + by + ", calls.started_at, calls.call_id"
		}
	} else if o.Asc {
		order = " ORDER BY calls.started_at, calls.call_id"
		slices.Reverse(spans)
	}
	for _, s := range spans {
		// No further than for the page, or as far as is counted.
		most := max(o.Count, o.Skip+limit) - out.Total + 1
		if before != (Cursor{}) {
			most = o.Count - out.Total + 1
		}
		n := 0
		if most > 0 {
			if n, err = db.countCalls(ctx, counted, &f, w, s, most); err != nil {
				return nil, err
			}
		}
		from := walkCalls
		if n < most && n <= fewCalls {
			from = counted
		}
		if before == (Cursor{}) && out.Total+n > o.Skip && len(out.Rows) < limit {
			page := w.clone()
			f.where(&page, db.d, s)
			skip := max(o.Skip-out.Total, 0)
			cut := order + " LIMIT " + page.arg(limit-len(out.Rows)) + " OFFSET " + page.arg(skip)
			if callOrders[o.By] != "" {
				// Of those that are only sorted, no more is read than it takes.
				page.parts = []string{joined, "(calls.started_at, calls.call_id) IN (SELECT calls.started_at, calls.call_id FROM " + from + page.sql() + cut + ")"}
				from, cut = walkCalls, order
			}
			if out.Rows, err = db.callRows(ctx, from, &page, cut, out.Rows); err != nil {
				return nil, err
			}
		}
		out.Total += n
		if n == most {
			out.Total--
			out.More = true
			break
		}
	}
	if before != (Cursor{}) {
		f.Before = before
		if counted == contextCalls && !out.More && out.Total <= fewCalls {
			out.Rows, err = db.callsIn(ctx, contextCalls, &f, w, all(&f), nil)
		} else {
			out.Rows, err = db.find(ctx, f)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(out.Rows) > 0 {
		err = db.adjusted(ctx, out.Rows)
	}
	return out, err
}

// fewContexts has w want only calls of the contexts that f selects, by their
// numbers, if they are few: PostgreSQL would not know that they are.
func (db *DB) fewContexts(ctx context.Context, f *CallFilter, w *where) error {
	const most = 1000
	of := where{}
	f.contexts(&of)
	if of.bad != nil {
		return of.bad
	}
	var ids []int64
	rows, err := db.r.QueryContext(ctx, "SELECT contexts.id FROM contexts"+of.sql()+" LIMIT "+of.arg(most+1), of.args...) //nolint:gosec // G202: the text is ours, values are parameters
	err = results(rows, err, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("read contexts: %w", err)
	}
	if len(ids) <= most {
		w.parts = append(w.parts, "calls.context = ANY("+w.arg(ids)+")")
	}
	return nil
}

// fewCalls is how many calls are looked up and sorted. More are met soon on a walk.
const fewCalls = 10_000

// countCalls counts f's calls within s, up to most.
func (db *DB) countCalls(ctx context.Context, from string, f *CallFilter, w where, s span, most int) (n int, err error) {
	w = w.clone()
	f.where(&w, db.d, s)
	if w.bad != nil {
		return 0, w.bad
	}
	if !f.ofContexts() && f.Search == "" {
		from = "calls" // nothing is asked of their contexts
		w.parts = slices.DeleteFunc(w.parts, func(part string) bool { return part == joined })
	}
	err = db.r.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+from+w.sql()+" LIMIT "+w.arg(most)+") AS c", w.args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count calls: %w", err)
	}
	return n, nil
}
