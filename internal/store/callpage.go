package store

import (
	"context"
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
			if n, err = db.countCalls(ctx, &f, w, s, most); err != nil {
				return nil, err
			}
		}
		if before == (Cursor{}) && out.Total+n > o.Skip && len(out.Rows) < limit {
			page := w.clone()
			f.where(&page, db.d, s)
			skip := max(o.Skip-out.Total, 0)
			tail := order + " LIMIT " + page.arg(limit-len(out.Rows)) + " OFFSET " + page.arg(skip)
			if out.Rows, err = db.callRows(ctx, &page, tail, out.Rows); err != nil {
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
		if out.Rows, err = db.find(ctx, f); err != nil {
			return nil, err
		}
	}
	if len(out.Rows) > 0 {
		err = db.adjusted(ctx, out.Rows)
	}
	return out, err
}

// countCalls counts f's calls within s, up to most.
func (db *DB) countCalls(ctx context.Context, f *CallFilter, w where, s span, most int) (n int, err error) {
	w = w.clone()
	f.where(&w, db.d, s)
	if w.bad != nil {
		return 0, w.bad
	}
	err = db.r.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM calls CROSS JOIN contexts"+w.sql()+" LIMIT "+w.arg(most)+") AS c", w.args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count calls: %w", err)
	}
	return n, nil
}
