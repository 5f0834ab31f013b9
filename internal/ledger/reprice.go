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
	var pending []store.Adjusted
	changes := map[[2]string]*Change{}
	flush := func() error {
		if o.DryRun {
			pending = pending[:0]
			return nil
		}
		n, err := db.Adjust(ctx, pending)
		out.Written += int64(n)
		pending = pending[:0]
		return err
	}
	// The view is read in spans of an hour and closed before anything is
	// written: a view that stays open for hours holds up the engine's cleaning.
	from, to, err := o.bounds(ctx, db)
	if err != nil {
		return nil, err
	}
	for at := from; at.Before(to); at = at.Add(time.Hour) {
		end := at.Add(time.Hour)
		if end.After(to) {
			end = to
		}
		if err := db.Ledger(ctx, func(l *store.Ledger) error { return o.span(ctx, l, at, end, out, changes, &pending) }); err != nil {
			return nil, err
		}
		for len(pending) > 0 {
			rest := pending
			if len(rest) > adjustAtOnce {
				pending = rest[:adjustAtOnce]
			}
			n := len(pending)
			if err := flush(); err != nil {
				return nil, fmt.Errorf("after %d adjustments: %w", out.Written, err)
			}
			pending = rest[n:]
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

func (o *Reprice) span(ctx context.Context, l *store.Ledger, from, to time.Time, out *Repriced, changes map[[2]string]*Change, pending *[]store.Adjusted) error {
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
		if o.Model != "" && e.Group != o.Model && e.Model != o.Model {
			return nil
		}
		out.Calls++
		if e.Provider == "" {
			return nil // no vendor was reached
		}
		rate := o.Rate(&e.Row)
		if rate == nil {
			out.Unknown++
			return nil
		}
		p := adjusted[e.CallID]
		before, after := e.Cost+p.cost, rate.Cost(e.Usage)
		if before == after {
			return nil
		}
		key := [2]string{e.Model, e.Provider}
		c := changes[key]
		if c == nil {
			c = &Change{Model: e.Model, Provider: e.Provider}
			changes[key] = c
			out.Changes = append(out.Changes, c)
		}
		c.Calls++
		c.Before += before
		c.After += after
		row := e.Row
		*pending = append(*pending, store.Adjusted{Call: &row, N: p.n + 1, Cost: after - before, Rate: rate.ID(), Terms: rate.Terms()})
		return nil
	})
}
