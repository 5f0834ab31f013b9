package ledger

import (
	"context"
	"fmt"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/price"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// adjustAtOnce is how many calls are adjusted in one transaction.
const adjustAtOnce = 500

// Reprice says which calls to price again.
type Reprice struct {
	From, To time.Time // From <= start < To
	Model    string    // the client's or the vendor's name of the model; "" for all
	DryRun   bool      // only say what would change
	// Rate returns the terms by which the call should be priced, nil if none are
	// known: the call is then left as it is.
	Rate func(*spend.Row) *price.Rate
}

// Change is what a repricing does to the calls of one model.
type Change struct {
	Model, Provider string
	Calls           int64           // whose cost changes
	Before, After   gateway.NanoUSD // their cost
}

// Repriced is what a repricing did, or would do.
type Repriced struct {
	Calls   int64 // looked at
	Unknown int64 // without a known price: left as they are
	Written int64 // adjustments
	Changes []*Change
}

// Run writes an adjustment for every call whose cost is not what its usage comes
// to by Rate. Running it again changes nothing: what a call has been adjusted by
// counts as a part of its cost.
func (o *Reprice) Run(ctx context.Context, db *store.DB, progress Progress) (*Repriced, error) {
	out := &Repriced{}
	r := &repricing{Reprice: o, db: db, out: out, changes: map[[2]string]*Change{}}
	// In spans of an hour: a view that stays open for long holds up the engine's
	// cleaning.
	from, to, err := o.bounds(ctx, db)
	if err != nil {
		return nil, err
	}
	for at := from; at.Before(to); at = at.Add(time.Hour) {
		end := at.Add(time.Hour)
		if end.After(to) {
			end = to
		}
		err := db.Ledger(ctx, func(l *store.Ledger) error { return r.span(ctx, l, at, end) })
		if err == nil {
			err = r.flush(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("after %d adjustments: %w", out.Written, err)
		}
		progress(int64(end.Sub(from)), int64(to.Sub(from)))
	}
	return out, nil
}

// bounds cuts the range to where calls are.
func (o *Reprice) bounds(ctx context.Context, db *store.DB) (from, to time.Time, err error) {
	err = db.Ledger(ctx, func(l *store.Ledger) error {
		first, last, err := l.Bounds(ctx, o.From, o.To)
		from, to = first.Truncate(time.Hour), last.Add(time.Microsecond)
		return err
	})
	if from.Before(o.From) {
		from = o.From
	}
	return from, to, err
}

// repricing is a run of Reprice.
type repricing struct {
	*Reprice
	db      *store.DB
	out     *Repriced
	changes map[[2]string]*Change
	pending []store.Adjusted
}

// flush writes what is pending. What it writes is not in the view that is read.
func (r *repricing) flush(ctx context.Context) error {
	if !r.DryRun {
		n, err := r.db.Adjust(ctx, r.pending)
		if err != nil {
			return err
		}
		r.out.Written += int64(n)
	}
	r.pending = r.pending[:0]
	return nil
}

func (r *repricing) span(ctx context.Context, l *store.Ledger, from, to time.Time) error {
	type past struct {
		n    int64
		cost gateway.NanoUSD
	}
	adjusted := map[string]past{}
	err := l.Adjustments(ctx, from, to, func(a *store.Adjustment) error {
		p := adjusted[a.CallID]
		adjusted[a.CallID] = past{max(p.n, a.N), p.cost + a.Cost}
		return nil
	})
	if err != nil {
		return err
	}
	return l.Calls(ctx, from, to, func(e *store.Entry) error {
		if r.Model != "" && e.Group != r.Model && e.Model != r.Model {
			return nil
		}
		r.out.Calls++
		if e.Provider == "" {
			return nil // no vendor was reached
		}
		rate := r.Rate(&e.Row)
		if rate == nil {
			r.out.Unknown++
			return nil
		}
		p := adjusted[e.CallID]
		before, after := e.Cost+p.cost, rate.Cost(e.Usage)
		if before == after {
			return nil
		}
		r.change(&e.Row, before, after)
		row := e.Row
		r.pending = append(r.pending, store.Adjusted{Call: &row, N: p.n + 1, Cost: after - before, Rate: rate.ID(), Terms: rate.Terms()})
		if len(r.pending) < adjustAtOnce {
			return nil
		}
		return r.flush(ctx)
	})
}

// change counts a call whose cost changes.
func (r *repricing) change(call *spend.Row, before, after gateway.NanoUSD) {
	key := [2]string{call.Model, call.Provider}
	c := r.changes[key]
	if c == nil {
		c = &Change{Model: call.Model, Provider: call.Provider}
		r.changes[key] = c
		r.out.Changes = append(r.out.Changes, c)
	}
	c.Calls++
	c.Before += before
	c.After += after
}
